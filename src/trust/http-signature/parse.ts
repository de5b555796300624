import { isInnerList, parseDictionary, serializeInnerList, type InnerList, type Item } from 'structured-headers';

/** Why a signature is not accepted; the message completes a sentence that begins with the header's name. */
export class HttpSignatureRefused extends Error {
  override readonly name = 'HttpSignatureRefused';
  readonly header: string;
  constructor(header: string, message: string) {
    super(message);
    this.header = header;
  }
}

/** One signature of a message (RFC 9421 §4). Times are Unix seconds. */
export interface HttpSignature {
  label: string;
  components: Item[];
  params: { created?: number; expires?: number; keyid?: string; alg?: string; nonce?: string; tag?: string };
  signature: Buffer;
  /**
   * What `@signature-params` may stand for in the base: the strict form (§2.3), and the text as it was sent where that
   * differs, since signers of the Trusted Agent Protocol sign their own spelling of it.
   */
  paramsTexts: string[];
}

const MAX_HEADER = 8_192;
const MAX_SIGNATURES = 4;
const MAX_COMPONENTS = 50;
const TEXT_PARAMS = ['keyid', 'alg', 'nonce', 'tag'] as const;
const TIME_PARAMS = ['created', 'expires'] as const;

/**
 * Reads `Signature-Input` and `Signature`.
 * @throws HttpSignatureRefused when they are not well formed, or do not belong together
 */
export function parseSignatures(signatureInput: string, signature: string): HttpSignature[] {
  const members = split('Signature-Input', signatureInput);
  const signatures = dictionary('Signature', signature);
  if (members.length === 0 || members.length > MAX_SIGNATURES) {
    throw new HttpSignatureRefused('Signature-Input', `must have 1 to ${MAX_SIGNATURES} members`);
  }
  const inputs = members.map(({ sent, text }) => ({ sent, entry: onlyEntry(text) }));
  if (new Set(inputs.map(({ entry: [label] }) => label)).size !== inputs.length) {
    throw new HttpSignatureRefused('Signature-Input', 'names a label twice');
  }
  return inputs.map(({ sent, entry: [label, input] }) => {
    if (!isInnerList(input)) throw new HttpSignatureRefused('Signature-Input', `${label} must list its components`);
    if (input[0].length > MAX_COMPONENTS) {
      throw new HttpSignatureRefused('Signature-Input', `${label} lists more than ${MAX_COMPONENTS} components`);
    }
    const value = signatures.get(label)?.[0];
    if (!(value instanceof ArrayBuffer)) throw new HttpSignatureRefused('Signature', `has no bytes for ${label}`);
    const bytes = Buffer.from(value);
    // Left-over bits of base64 would give one signature several texts.
    if (!signature.includes(`:${bytes.toString('base64').replace(/=+$/, '')}`)) {
      throw new HttpSignatureRefused('Signature', `has bits that belong to no byte at ${label}`);
    }
    return {
      label,
      components: input[0],
      params: paramsOf(label, input),
      signature: bytes,
      paramsTexts: [...new Set([serializeInnerList(input), sent])],
    };
  });
}

/** Each member is read by itself: what was sent and what was understood cannot come to belong to different members. */
function onlyEntry(text: string) {
  const [entry, ...more] = dictionary('Signature-Input', text);
  if (!entry || more.length > 0) throw new HttpSignatureRefused('Signature-Input', 'has a member that is not one');
  return entry;
}

function dictionary(header: string, text: string): ReturnType<typeof parseDictionary> {
  if (text.length > MAX_HEADER) throw new HttpSignatureRefused(header, `must not exceed ${MAX_HEADER} characters`);
  try {
    return parseDictionary(text);
  } catch {
    throw new HttpSignatureRefused(header, 'is not a dictionary of structured fields (RFC 9651 §3.2)');
  }
}

function paramsOf(label: string, [, given]: InnerList): HttpSignature['params'] {
  const params: HttpSignature['params'] = {};
  const refuse = (name: string, what: string) =>
    new HttpSignatureRefused('Signature-Input', `${label} needs ${what} as ${name}`);
  for (const name of TIME_PARAMS) {
    const value = given.get(name);
    if (value === undefined) continue;
    if (!Number.isSafeInteger(value) || (value as number) < 0) throw refuse(name, 'Unix seconds');
    params[name] = value as number;
  }
  for (const name of TEXT_PARAMS) {
    const value = given.get(name);
    if (value === undefined) continue;
    if (typeof value !== 'string' || value === '') throw refuse(name, 'a string');
    params[name] = value;
  }
  return params;
}

/**
 * Splits a dictionary at its commas: each member as it was sent (its value only), and with the names of parameters in
 * small letters, as the grammar wants them: the samples of the Trusted Agent Protocol write `keyId`. The reading itself
 * is the library's.
 */
function split(header: string, text: string): { sent: string; text: string }[] {
  if (text.length > MAX_HEADER) throw new HttpSignatureRefused(header, `must not exceed ${MAX_HEADER} characters`);
  const members: { sent: string; text: string }[] = [];
  let [start, depth, quoted, lowered] = [0, 0, false, ''];
  const close = (end: number) => {
    const sent = text.slice(start, end);
    members.push({ sent: sent.slice(sent.indexOf('=') + 1).trim(), text: lowered.trim() });
    [start, lowered] = [end + 1, ''];
  };
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!;
    if (quoted) {
      if (c === '\\') lowered += text[i++]!;
      else if (c === '"') quoted = false;
    } else if (c === '"') quoted = true;
    else if (c === '(') depth++;
    else if (c === ')') depth--;
    else if (c === ',' && depth === 0) {
      close(i);
      continue;
    } else if (c === ';') {
      const name = /^;[ ]*[A-Za-z0-9_.*-]*/.exec(text.slice(i, i + 100))![0];
      lowered += name.toLowerCase();
      i += name.length - 1;
      continue;
    }
    lowered += text[i] ?? '';
  }
  close(text.length);
  return members;
}
