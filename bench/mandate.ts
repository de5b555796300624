/**
 * What verifying a mandate costs: a payment chain of three hops with its checkout mandate's binding left out, beside
 * three plain signatures by `jose`. Prints CPU and wall time per verification, and the ratio. Needs no services.
 *
 *   node --import tsx bench/mandate.ts [--rounds 40]
 */
import { parseArgs } from 'node:util';
import { compactVerify, importJWK, type JWK } from 'jose';
import { verifyMandate } from '../src/trust/mandates/verify.ts';
import * as made from '../test/trust/mandates/build.ts';

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '40' } } });
const rounds = Number(values.rounds);
const PER_ROUND = 100;

const provider = made.newKey();
const passedOn = { ...made.openPayment, ...made.cnf(provider) };
const token = made.delegate(
  made.delegate(made.root(made.openPayment, made.userKey), passedOn, made.agentKey),
  made.closedPayment,
  provider,
);
const input = { ...made.against, checkout_mandate: undefined, token };
const keys = [made.userKey, made.agentKey, provider].map(({ jwk }) => jwk as JWK);
const jwts = token.split('~~').map((hop) => hop.split('~')[0]!);

async function mandate(): Promise<void> {
  // Without the checkout mandate payment.reference stays open; every signature, disclosure and constraint is checked.
  const { code } = await verifyMandate(input);
  if (code !== 'binding_missing') throw new Error(`the chain came out as ${code}`);
}

async function full(): Promise<void> {
  const { code } = await verifyMandate({ ...input, checkout_mandate: made.checkoutToken });
  if (code !== 'ok') throw new Error(`the chain came out as ${code}`);
}

async function plain(): Promise<void> {
  for (const [index, jwt] of jwts.entries()) {
    await compactVerify(jwt, await importJWK(keys[index]!, 'ES256'), { algorithms: ['ES256'] });
  }
}

interface Cost {
  cpu: number;
  wall: number;
}

/** Milliseconds per call; CPU of all threads of this process. */
async function costOf(run: () => Promise<void>): Promise<Cost> {
  const cpu = process.cpuUsage();
  const began = performance.now();
  for (let i = 0; i < PER_ROUND; i += 1) await run();
  const { user, system } = process.cpuUsage(cpu);
  return { cpu: (user + system) / 1000 / PER_ROUND, wall: (performance.now() - began) / PER_ROUND };
}

const subjects = { mandate, full, plain };
const found: Record<keyof typeof subjects, Cost[]> = { mandate: [], full: [], plain: [] };
for (const run of Object.values(subjects)) await costOf(run); // warm
// In turns, so that a machine that drifts does so under all of them.
for (let round = 0; round < rounds; round += 1) {
  for (const name of Object.keys(subjects) as (keyof typeof subjects)[]) found[name].push(await costOf(subjects[name]));
}

const median = (numbers: number[]) => numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)]!;
const cpuOf = (name: keyof typeof subjects) => median(found[name].map(({ cpu }) => cpu));
const ratio = (name: keyof typeof subjects) =>
  median(found[name].map(({ cpu }, round) => cpu / found.plain[round]!.cpu)).toFixed(2);
const line = (name: keyof typeof subjects, what: string) =>
  console.log(
    `${what.padEnd(52)} CPU ${cpuOf(name).toFixed(3)} ms  wall ${median(found[name].map(({ wall }) => wall)).toFixed(3)} ms`,
  );

line('mandate', 'payment chain of three hops');
line('full', 'the same with its checkout mandate (six signatures)');
line('plain', 'jose: importJWK and compactVerify, three times');
console.log(
  `CPU ratio to jose, median of ${rounds} rounds: ${ratio('mandate')}, with the checkout mandate ${ratio('full')}`,
);
