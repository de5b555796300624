import type { Request, RequestHandler } from 'express';
import type pg from 'pg';
import type { Config } from '../../config.ts';
import { Problem } from '../../domain/errors.ts';
import { parseId, toTypeId } from '../../domain/ids.ts';
import { recordAbuse } from '../../store/abuse.ts';
import { findPresentedKey, isLive, type PresentedKey } from '../../store/agent-keys.ts';
import { useSignatureNonce } from '../../store/nonces.ts';
import { isLoopback } from '../../trust/did.ts';
import type { HttpMessage } from '../../trust/http-signature/base.ts';
import { acceptedUntil, judgeSignature, type Finding, type Rules } from '../../trust/http-signature/judge.ts';
import { HttpSignatureRefused, parseSignatures, type HttpSignature } from '../../trust/http-signature/parse.ts';
import type { ApiDeps } from '../deps.ts';
import { stateOf, type Access } from './state.ts';

const COVER = [
  ['@method', '@target-uri'],
  ['@method', '@authority', '@path'],
];
const MAX_AGE_SECONDS = 300;
const THUMBPRINT = /^[A-Za-z0-9_-]{43}$/;

/**
 * Checks an HTTP message signature (RFC 9421) whenever one is sent: it must be of a live key of an agent of the
 * credential's organization, and cover method and target, and the body by its digest. It proves the agent beside the
 * credential, never in its place.
 */
export function checkHttpSignature({ pool, config, log }: ApiDeps): RequestHandler {
  return async (req, _res, next) => {
    const input = req.headers['signature-input'];
    if (input === undefined) {
      // Of another scheme, or one that lost its other half: nobody could say what it is over.
      if (req.headers['signature'] !== undefined) throw refused('Signature-Input', 'Signature-Input is missing');
      return next();
    }
    const state = stateOf(req);
    const access = state.access!;
    const now = new Date();
    const abused = (code: string, detail: string, key: PresentedKey) =>
      recordAbuse(pool, log, {
        tenant: access.tenant,
        actor: access.actor,
        code,
        detail,
        subject: toTypeId('agt', key.agentId),
        at: now,
      });

    const { signature, key } = await chosen(pool, access, signaturesOf(req), now);
    const rules: Rules = { now, cover: COVER, maxAgeSeconds: MAX_AGE_SECONDS, coverBody: true };
    const failure = judge(messagesOf(req, config, state.rawBody!), signature, key, rules);
    const { alg, nonce } = signature.params;
    if (failure) {
      if (alg === 'hmac-sha256') await abused('alg_confusion', failure.detail, key);
      throw refused(failure.header, failure.detail);
    }
    const seen = { thumbprint: key.thumbprint, until: acceptedUntil(signature.params, rules) };
    if (nonce !== undefined && !(await useSignatureNonce(pool, access.tenant, { ...seen, nonce }))) {
      await abused('nonce_reused', 'The nonce of a request signature was used before', key);
      throw refused('Signature-Input', 'The nonce of the signature was used before: sign each request anew');
    }
    state.proof = { agentId: key.agentId, keyId: key.id, thumbprint: key.thumbprint };
    next();
  };
}

function signaturesOf(req: Request): HttpSignature[] {
  const [input, value] = ['signature-input', 'signature'].map((name) => [req.headers[name] ?? []].flat().join(', '));
  try {
    return parseSignatures(input!, value!);
  } catch (error) {
    if (!(error instanceof HttpSignatureRefused)) throw error;
    throw refused(error.header, `${error.header} ${error.message}`);
  }
}

/** The first signature that names a key of the organization: others may have been added on the way. */
async function chosen(
  pool: pg.Pool,
  { tenant }: Access,
  signatures: HttpSignature[],
  now: Date,
): Promise<{ signature: HttpSignature; key: PresentedKey }> {
  for (const signature of signatures) {
    const keyid = signature.params.keyid ?? '';
    const id = parseId(keyid, 'key');
    const name = id !== undefined ? { id } : THUMBPRINT.test(keyid) ? { thumbprint: keyid } : undefined;
    const key = name && (await findPresentedKey(pool, tenant, name));
    if (!key) continue;
    if (!isLive(key, now)) throw refused('Signature-Input', 'The key of the signature is withdrawn or past its end');
    if (key.agentStatus === 'suspended' || key.agentStatus === 'retired') {
      throw refused('Signature-Input', `The agent that signed is ${key.agentStatus}`);
    }
    return { signature, key };
  }
  throw refused('Signature-Input', 'No signature names a key of an agent of your organization by keyid');
}

function judge(
  messages: HttpMessage[],
  signature: HttpSignature,
  key: PresentedKey,
  rules: Rules,
): Finding | undefined {
  const failures = messages.map((message) =>
    judgeSignature(message, signature, key, rules).find((finding) => !finding.ok),
  );
  return failures.every((failure) => failure !== undefined) ? failures[0] : undefined;
}

/**
 * The request as it was sent: to `PUBLIC_URL`, whatever the Host header says, for a signature made for another place
 * must not be good here. In development it may also have been sent to this machine under another of its names.
 */
function messagesOf(req: Request, config: Config, body: Buffer): HttpMessage[] {
  const headers: [string, string][] = [];
  for (let i = 0; i + 1 < req.rawHeaders.length; i += 2) headers.push([req.rawHeaders[i]!, req.rawHeaders[i + 1]!]);
  const { method, originalUrl } = req;
  const bases = [config.publicUrl.replace(/\/$/, '')];
  const local = `http://${req.headers.host}`;
  if (config.PROKURA_ENV === 'development' && URL.canParse(local) && isLoopback(new URL(local).hostname)) {
    bases.push(new URL(local).origin);
  }
  return bases.map((base) => ({ method, url: base + originalUrl, headers, body }));
}

function refused(header: string, detail: string): Problem {
  const message = detail.startsWith(`${header} `) ? detail.slice(header.length + 1) : detail;
  return new Problem('invalid_signature', `${detail}.`, { fields: [{ path: header, message }] });
}
