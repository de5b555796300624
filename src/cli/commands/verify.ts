import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { createInterface } from 'node:readline';
import path from 'node:path';
import type { Command } from 'commander';
import { KINDS, verifyKind } from '../../verify/kinds.ts';
import { projectRoot } from '../paths.ts';
import { invalid, Misuse, type Verification } from '../../verify/result.ts';

const MISUSE = 2;
const MAX_INPUT_CHARS = 256 * 1024 * 1024;

interface VerifyOptions {
  example?: boolean;
  key?: string;
  earlierCheckpoint?: string;
}

/** `prokura verify <kind> [file]`: checks something offline. Exit code 0 valid, 1 invalid, 2 the question is no question. */
export function verifyCommand(program: Command): void {
  const verify = program
    .command('verify')
    .description('verify a signed thing offline: no server, no database, no network')
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : MISUSE))
    .addHelpText(
      'after',
      '\nReads one JSON object from a file or standard input, prints {"valid", "code", "detail", "claims"}.\n' +
        'Exit code 0: valid, 1: invalid, 2: the input cannot be read, or lacks a member.\n' +
        '`prokura verify <kind> --help` tells the members. See docs/verification.md.',
    );
  for (const [name, { summary, members, example }] of Object.entries(KINDS)) {
    const kind = verify
      .command(`${name} [file]`)
      .description(summary)
      .option('--example', 'print a whole input instead of verifying one')
      .addHelpText('after', helpOf(name, members, example))
      .action((file: string | undefined, options: VerifyOptions) =>
        options.example ? printExample(name) : answer(name, file, options),
      );
    if (name !== 'audit' && name !== 'coverage') continue;
    kind.option('--key <file>', 'the key that must have signed an export: JWK, JWK Set or key of a signed note');
    if (name !== 'audit') continue;
    kind.option('--earlier-checkpoint <file>', 'a checkpoint that was kept: an export must be an extension of it');
  }
}

function helpOf(name: string, members: Record<string, string>, example: string): string {
  const lines = Object.entries(members).map(([member, meaning]) => `  ${member.padEnd(20)} ${meaning}`);
  return [
    '',
    'Members of the input (? = optional):',
    ...lines,
    '',
    'Shape:',
    `  ${example}`,
    '',
    'Examples:',
    `  prokura verify ${name} --example > input.json`,
    `  prokura verify ${name} input.json`,
    `  prokura verify ${name} --example | prokura verify ${name}`,
  ].join('\n');
}

/** The examples of docs/verification.md, each valid at the moment that it names. */
async function printExample(kind: string): Promise<void> {
  process.stdout.write(await readFile(path.join(projectRoot, 'docs', 'examples', `${kind}.json`), 'utf8'));
}

async function answer(kind: string, file: string | undefined, options: VerifyOptions): Promise<void> {
  let verification: Verification;
  try {
    verification = await verifyInput(kind, file, options);
    process.exitCode = verification.valid ? 0 : 1;
  } catch (error) {
    if (!(error instanceof Misuse)) throw error;
    verification = invalid('misuse', error.message);
    process.exitCode = MISUSE;
    process.stderr.write(`${error.message}\n`);
  }
  process.stdout.write(`${JSON.stringify(verification)}\n`);
}

/** @throws Misuse when the input cannot be read */
async function verifyInput(kind: string, file: string | undefined, options: VerifyOptions): Promise<Verification> {
  // Before the file is opened: nobody would hear of its failure meanwhile.
  const { BUNDLE_FORMAT, verifyAuditBundle } = await import('../../verify/audit-bundle.ts');
  const { COVERAGE_FORMAT, verifyCoverageBundle } = await import('../../verify/coverage.ts');
  const stream: Readable = file === undefined || file === '-' ? process.stdin : createReadStream(file);
  try {
    if (kind !== 'audit' && kind !== 'coverage') return await verifyKind(kind, parse(await textOf(stream)));
    // An export may be larger than memory: it is read line by line.
    const lines = linesOf(stream);
    const first = await lines.next();
    const format = first.done ? undefined : formatOf(first.value);
    if (!first.done && kind === 'audit' && format === BUNDLE_FORMAT) {
      return await verifyAuditBundle(prepend(first.value, lines), await bundleOptions(options));
    }
    if (!first.done && kind === 'coverage' && format === COVERAGE_FORMAT) {
      return await verifyCoverageBundle(prepend(first.value, lines), await bundleOptions(options));
    }
    const rest: string[] = first.done ? [] : [first.value];
    for await (const line of lines) rest.push(line);
    return await verifyKind(kind, withKey(parse(rest.join('\n')), await bundleOptions(options)));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).syscall) throw new Misuse(`cannot read: ${(error as Error).message}`);
    throw error;
  }
}

async function bundleOptions({ key, earlierCheckpoint }: VerifyOptions) {
  const { ed25519In } = await import('../../verify/keys.ts');
  const keyText = key === undefined ? undefined : await readFile(key, 'utf8');
  const publicKeys = keyText === undefined ? undefined : ed25519In(tryParse(keyText) ?? keyText.trim());
  if (keyText !== undefined && !publicKeys) throw new Misuse('--key holds no Ed25519 public key');
  const earlier = earlierCheckpoint === undefined ? undefined : await readFile(earlierCheckpoint, 'utf8');
  return { publicKeys, earlierCheckpoint: earlier };
}

/** The options say the same as the members of an object. */
function withKey(
  input: unknown,
  { publicKeys, earlierCheckpoint }: Awaited<ReturnType<typeof bundleOptions>>,
): unknown {
  if (typeof input !== 'object' || input === null) return input;
  return {
    ...input,
    ...(publicKeys && {
      public_key: publicKeys.map((key) => ({ kty: 'OKP', crv: 'Ed25519', x: key.toString('base64url') })),
    }),
    ...(earlierCheckpoint !== undefined && { earlier_checkpoint: earlierCheckpoint }),
  };
}

async function* linesOf(input: Readable): AsyncGenerator<string> {
  // `events.once` semantics of readline lose a failed open: the stream is asked for it.
  let failure: Error | undefined;
  input.once('error', (error: Error) => (failure = error));
  for await (const line of createInterface({ input, crlfDelay: Infinity })) yield line;
  if (failure) throw failure;
}

async function* prepend(first: string, rest: AsyncIterable<string>): AsyncGenerator<string> {
  yield first;
  yield* rest;
}

function formatOf(line: string): unknown {
  return (tryParse(line) as { format?: unknown } | null | undefined)?.format;
}

async function textOf(stream: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_INPUT_CHARS) throw new Misuse('the input is too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parse(text: string): unknown {
  const value = tryParse(text);
  if (value === undefined) throw new Misuse('the input is not JSON');
  return value;
}

function tryParse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
