import type { AgentKeyRow } from '../../../store/agent-keys.ts';
import { useSignatureNonce } from '../../../store/nonces.ts';
import { headerValue, isRequestUrl, type HttpMessage } from '../../../trust/http-signature/base.ts';
import { acceptedUntil, judgeSignature, type Finding, type Rules } from '../../../trust/http-signature/judge.ts';
import { HttpSignatureRefused, parseSignatures, type HttpSignature } from '../../../trust/http-signature/parse.ts';
import { signatureAgents } from '../../../trust/http-signature/signature-agent.ts';
import { Failed, isNamed, passed, type Attestation, type Check, type Subject } from './evidence.ts';

const TAP_TAGS = ['agent-browser-auth', 'agent-payer-auth'];
const WEB_BOT_AUTH = 'web-bot-auth';
const MAX_AGE_SECONDS = 300;
const MAX_HEADER_LINES = 200;
/** As the server bounds the headers of its own requests: each component may read a header anew. */
const MAX_HEADER_CHARACTERS = 32_768;
const TAP_WINDOW_SECONDS = 480;
/** Web Bot Auth recommends that a signature expires within a day. */
const WEB_BOT_AUTH_SECONDS = 86_400;

/**
 * `{type: "http-signature", method, url, headers, body?}`: a request that the asker received, signed by the agent
 * (RFC 9421). `body` is its text, or `body_base64` its bytes. With the tags of Visa's Trusted Agent Protocol and of Web
 * Bot Auth, the rules of these apply too.
 * @throws Failed
 */
export async function* checkHttpSignature(attestation: Attestation, subject: Subject): AsyncGenerator<Check> {
  const message = messageOf(attestation);
  const { signature, key, rules, findings } = chosen(message, subject);
  const { params } = signature;
  yield passed('key_registered', `The key ${key.thumbprint} is registered for the agent`);
  yield* checkProfile(message, signature, key);
  for (const { code, ok, detail } of findings) {
    if (!ok) throw new Failed(code, detail, params.alg === 'hmac-sha256' ? 'alg_confusion' : undefined);
    yield passed(code, detail);
  }
  if (params.nonce === undefined) return;
  const seen = { nonce: params.nonce, thumbprint: key.thumbprint, until: acceptedUntil(params, rules) };
  if (!(await useSignatureNonce(subject.db, subject.tenant, seen))) {
    throw new Failed('nonce_unused', 'The nonce of the signature was used before', 'nonce_reused');
  }
  yield passed('nonce_unused', 'The nonce of the signature is used for the first time');
}

/** @throws Failed */
function messageOf({ method, url, headers, body, body_base64 }: Attestation): HttpMessage {
  const fail = (detail: string) => new Failed('signature_parsed', detail);
  if (typeof method !== 'string' || !/^[A-Za-z]{1,20}$/.test(method)) throw fail('attestation.method must be a method');
  if (typeof url !== 'string' || !isRequestUrl(url)) throw fail('attestation.url must be an absolute http(s) URL');
  if (typeof headers !== 'object' || headers === null || Array.isArray(headers)) {
    throw fail('attestation.headers must be an object of header lines');
  }
  for (const [name, value] of Object.entries({ body, body_base64 })) {
    if (value !== undefined && typeof value !== 'string') throw fail(`attestation.${name} must be a text`);
  }
  const lines = Object.entries(headers).flatMap(([name, value]) =>
    [value as unknown].flat().map((line): [string, unknown] => [name, line]),
  );
  if (lines.length > MAX_HEADER_LINES) throw fail(`attestation.headers must not exceed ${MAX_HEADER_LINES} lines`);
  const size = lines.reduce((sum, [name, line]) => sum + name.length + String(line).length, 0);
  if (size > MAX_HEADER_CHARACTERS) {
    throw fail(`attestation.headers must not exceed ${MAX_HEADER_CHARACTERS} characters together`);
  }
  if (!lines.every((line): line is [string, string] => typeof line[1] === 'string')) {
    throw fail('attestation.headers must be an object of header lines');
  }
  const bytes =
    body_base64 === undefined ? Buffer.from((body as string) ?? '') : Buffer.from(body_base64 as string, 'base64');
  return { method, url, headers: lines, body: bytes };
}

function signaturesOf(message: HttpMessage): HttpSignature[] {
  const [input, value] = ['signature-input', 'signature'].map((name) => headerValue(message, name));
  if (input === undefined || value === undefined) {
    throw new Failed('signature_parsed', 'The request has no Signature-Input and Signature');
  }
  try {
    return parseSignatures(input, value);
  } catch (error) {
    if (!(error instanceof HttpSignatureRefused)) throw error;
    throw new Failed('signature_parsed', `${error.header} ${error.message}`);
  }
}

interface Judged {
  signature: HttpSignature;
  key: AgentKeyRow;
  rules: Rules;
  findings: Finding[];
}

/**
 * The signature that names a key of the agent, judged by it: the first that is good, else the first of all. A name may
 * be of several keys, since a key that is rotated in has the label of the one before.
 */
function chosen(message: HttpMessage, { keys, now }: Subject): Judged {
  let first: Judged | undefined;
  for (const signature of signaturesOf(message)) {
    const rules = rulesOf(signature, now);
    for (const key of namedBy(signature, keys)) {
      const judged = { signature, key, rules, findings: judgeSignature(message, signature, key, rules) };
      if (judged.findings.every(({ ok }) => ok)) return judged;
      first ??= judged;
    }
  }
  if (first) return first;
  throw new Failed('key_registered', 'No signature of the request names a usable key of the agent');
}

/** Trusted Agent Protocol names keys freely: there the label counts too. */
function namedBy({ params: { keyid = '', tag = '' } }: HttpSignature, keys: AgentKeyRow[]): AgentKeyRow[] {
  const named = keys.filter((one) => isNamed(one, keyid));
  return named.length > 0 || !TAP_TAGS.includes(tag) ? named : keys.filter(({ label }) => label === keyid);
}

function rulesOf({ params: { tag, created, expires } }: HttpSignature, now: Date): Rules {
  if (TAP_TAGS.includes(tag ?? '')) {
    const cover = [['@authority', '@path']];
    return { now, cover, maxAgeSeconds: TAP_WINDOW_SECONDS, maxWindowSeconds: TAP_WINDOW_SECONDS };
  }
  const cover = [['@authority'], ['@target-uri']];
  if (tag !== WEB_BOT_AUTH) return { now, cover, maxAgeSeconds: MAX_AGE_SECONDS };
  // The signer chooses how long it is good; the vectors of the draft choose years, and nonces are remembered as long.
  const chosenSeconds = Math.max((expires ?? 0) - (created ?? 0), 0);
  return { now, cover, maxAgeSeconds: Math.min(chosenSeconds, WEB_BOT_AUTH_SECONDS), maxWindowSeconds: Infinity };
}

/** @throws Failed */
function checkProfile(message: HttpMessage, { params, components }: HttpSignature, key: AgentKeyRow): Check[] {
  const { tag, keyid, nonce } = params;
  if (TAP_TAGS.includes(tag ?? '')) {
    if (nonce === undefined) throw new Failed('signature_profile', 'The Trusted Agent Protocol demands a nonce');
    return [passed('signature_profile', `A request of the Trusted Agent Protocol: ${tag}`)];
  }
  if (tag !== WEB_BOT_AUTH) return [];
  if (keyid !== key.thumbprint) {
    throw new Failed('signature_profile', 'Web Bot Auth names a key by its RFC 7638 thumbprint');
  }
  const agent = headerValue(message, 'signature-agent');
  if (agent !== undefined) {
    if (signatureAgents(agent) === undefined) {
      throw new Failed('signature_profile', 'Signature-Agent must name https addresses');
    }
    if (!components.some(([name]) => name === 'signature-agent')) {
      throw new Failed('signature_profile', 'Signature-Agent is there, and is not covered by the signature');
    }
  }
  return [passed('signature_profile', 'A request of Web Bot Auth')];
}
