import { Problem } from '../../domain/errors.ts';

/** A2A versions that are spoken here, `Major.Minor`, the newest first. */
export const A2A_VERSIONS = ['1.0'] as const;
export type A2aVersion = (typeof A2A_VERSIONS)[number];

/** An absent or empty `A2A-Version` of an A2A request means this (A2A 1.0 §3.6.2). */
const VERSION_WHEN_EMPTY = '0.3';

/**
 * The version that one place of the request names.
 * @param path where it stands, for the refusal
 * @throws Problem `version_not_supported`
 */
export function supportedVersion(text: string, path: string): A2aVersion {
  const asked = text.trim() === '' ? VERSION_WHEN_EMPTY : text.trim();
  const version = A2A_VERSIONS.find((known) => known === asked);
  if (version) return version;
  throw versionProblem(path, `A2A version ${JSON.stringify(asked.slice(0, 32))} is not spoken here`);
}

/**
 * VersionNotSupportedError of A2A 1.0 §5.4: HTTP 400; JSON-RPC −32009; `details` as in §11.6 (google.rpc.ErrorInfo);
 * the entry of `errors` carries its name, since clients of assessments look for it there.
 */
export function versionProblem(path: string, why: string): Problem {
  const message = `${why}; ${A2A_VERSIONS.join(', ')} is.`;
  return new Problem('version_not_supported', message, {
    members: {
      errors: [{ path, message, type: 'VersionNotSupportedError' }],
      jsonrpc_code: -32_009,
      details: [
        {
          '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
          reason: 'VERSION_NOT_SUPPORTED',
          domain: 'a2a-protocol.org',
          metadata: { supportedVersions: A2A_VERSIONS.join(',') },
        },
      ],
    },
  });
}
