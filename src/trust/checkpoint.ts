import { createHash, createPublicKey, verify, type KeyObject } from 'node:crypto';
import type { JWK } from 'jose';
import type { Signer } from './signing.ts';

/**
 * Checkpoints of an audit tree: C2SP tlog-checkpoint bodies as signed notes (C2SP signed-note), signed with Ed25519.
 *
 * ```
 * <origin>
 * <size, decimal>
 * <root hash, base64>
 *
 * — <key name, here the origin> <base64 of: 4 bytes of key id ‖ 64 bytes of signature>
 * ```
 */
export interface Checkpoint {
  /** Which tree: `<host>/audit/<org_…>/<mode>`, also the name of the key. */
  origin: string;
  size: bigint;
  root: Buffer;
}

export interface SignedNote extends Checkpoint {
  /** What the signatures cover: everything up to and with the line break before the empty line. */
  body: string;
  signatures: { name: string; keyId: string; signature: Buffer }[];
}

const ED25519 = 1;
const SIGNATURE_LINE = /^— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})$/u;
/** Longer ones are no checkpoints. */
const MAX_NOTE_CHARS = 16_384;
const MAX_SIZE = 2n ** 64n;

/** The origin of an organization's tree. @param org TypeID */
export function originOf(publicUrl: string, org: string, mode: string): string {
  return `${new URL(publicUrl).host}/audit/${org}/${mode}`;
}

export async function signCheckpoint(
  checkpoint: Checkpoint,
  signer: Pick<Signer, 'publicJwk' | 'signDetached'>,
): Promise<string> {
  const body = checkpointBody(checkpoint);
  return noteOf(checkpoint.origin, body, { jwk: signer.publicJwk, signature: await signer.signDetached(body) });
}

/** What a signature of a checkpoint covers. */
export function checkpointBody({ origin, size, root }: Checkpoint): string {
  return `${origin}\n${size}\n${root.toString('base64')}\n`;
}

/** The signed note. @param by the key, and its signature of the body, base64url */
export function noteOf(origin: string, body: string, by: { jwk: JWK; signature: string }): string {
  const id = Buffer.from(keyIdOf(origin, Buffer.from(by.jwk.x!, 'base64url')), 'hex');
  const signed = Buffer.concat([id, Buffer.from(by.signature, 'base64url')]);
  return `${body}\n— ${origin} ${signed.toString('base64')}\n`;
}

/** Every published key, by the id that a checkpoint is stored with. */
export function sealingKeys({ publicJwks }: Pick<Signer, 'publicJwks'>): Map<string, Buffer> {
  return new Map(publicJwks.map(({ kid, x }) => [kid!, Buffer.from(x!, 'base64url')]));
}

/** The parts of a note; `undefined` when it is not a checkpoint. */
export function parseNote(note: string): SignedNote | undefined {
  if (note.length > MAX_NOTE_CHARS || !note.endsWith('\n')) return undefined;
  const split = note.lastIndexOf('\n\n');
  if (split < 0) return undefined;
  const body = note.slice(0, split + 1);
  const [origin, sizeText, rootText] = body.split('\n');
  if (!origin || !/^(?:0|[1-9]\d{0,19})$/.test(sizeText ?? '')) return undefined;
  const [size, root] = [BigInt(sizeText!), decodeBase64(rootText ?? '')];
  if (size >= MAX_SIZE || root?.length !== 32) return undefined;
  const signatures: SignedNote['signatures'] = [];
  for (const line of note.slice(split + 2, -1).split('\n')) {
    const [, name, blob] = SIGNATURE_LINE.exec(line) ?? [];
    const bytes = decodeBase64(blob ?? '');
    if (!name || !bytes || bytes.length < 5) return undefined;
    signatures.push({ name, keyId: bytes.subarray(0, 4).toString('hex'), signature: bytes.subarray(4) });
  }
  return { origin, size, root, body, signatures };
}

export type NoteVerdict = 'valid' | 'unknown_key' | 'invalid_signature';

/** Whether the tree's own key (its name is the origin) signed the note. @param publicKeys 32 bytes each; one suffices */
export function verifyNote(note: SignedNote, ...publicKeys: readonly Buffer[]): NoteVerdict {
  const verdicts = new Set(publicKeys.map((publicKey) => verifyUnder(note, publicKey)));
  if (verdicts.has('valid')) return 'valid';
  return verdicts.has('invalid_signature') ? 'invalid_signature' : 'unknown_key';
}

function verifyUnder(note: SignedNote, publicKey: Buffer): NoteVerdict {
  const keyId = keyIdOf(note.origin, publicKey);
  const own = note.signatures.filter(({ name, keyId: id }) => name === note.origin && id === keyId);
  if (own.length === 0) return 'unknown_key';
  const key = ed25519Key(publicKey);
  const holds = own.every(({ signature }) => verify(null, Buffer.from(note.body), key, signature));
  return holds ? 'valid' : 'invalid_signature';
}

/** The key in the form that other tools of signed notes take: `<name>+<key id>+<base64 of 0x01 ‖ key>`. */
export function verifierKey(name: string, publicKey: Buffer): string {
  return `${name}+${keyIdOf(name, publicKey)}+${Buffer.concat([Buffer.from([ED25519]), publicKey]).toString('base64')}`;
}

/** The 32 bytes of a verifier key; `undefined` when it is none of Ed25519, or its key id is not its own. */
export function parseVerifierKey(text: string): Buffer | undefined {
  const [, name, id, blob] = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})$/u.exec(text) ?? [];
  const bytes = decodeBase64(blob ?? '');
  if (!name || bytes?.length !== 33 || bytes[0] !== ED25519) return undefined;
  const key = bytes.subarray(1);
  return keyIdOf(name, key) === id ? key : undefined;
}

function keyIdOf(name: string, publicKey: Buffer): string {
  const hash = createHash('sha256')
    .update(`${name}\n`)
    .update(Buffer.from([ED25519]))
    .update(publicKey);
  return hash.digest('hex').slice(0, 8);
}

function ed25519Key(publicKey: Buffer): KeyObject {
  const x = publicKey.toString('base64url');
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
}

/** Standard base64 with padding, exactly; Node's own decoder ignores what it does not know. */
export function decodeBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64');
  return bytes.length > 0 && bytes.toString('base64') === text ? bytes : undefined;
}
