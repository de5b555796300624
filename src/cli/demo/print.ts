import type { Log } from '../output.ts';
import { seconds } from '../output.ts';
import type { Check } from './invariants.ts';
import type { StepReport, StoryReport } from './story.ts';

/** Faults of one check that are printed; the JSON report has them all. */
const FAULTS_SHOWN = 5;

const mark = (ok: boolean) => (ok ? '✓' : '✗');

export function printTitle(log: Log, number: number, title: string): void {
  log(`\n${number}. ${title}`);
}

/** Aligned for the eye: mark, milliseconds, what was done, what came of it. */
export function printStep(log: Log, { ok, elapsed_ms, label, detail }: StepReport): void {
  log(`   ${mark(ok)} ${String(elapsed_ms).padStart(6)} ms  ${label}: ${detail}`);
}

export function printLink(log: Log, { workflow_url }: StoryReport): void {
  if (workflow_url !== undefined) log(`     history    ${workflow_url}`);
}

export function printChecks(log: Log, checks: Check[]): void {
  log('\nInvariants');
  for (const { ok, name, figures, faults } of checks) {
    log(`   ${mark(ok)} ${name} (${figures})`);
    for (const fault of faults.slice(0, FAULTS_SHOWN)) log(`       ${fault}`);
    if (faults.length > FAULTS_SHOWN) log(`       … and ${faults.length - FAULTS_SHOWN} more`);
  }
}

export function printVerdict(log: Log, stories: StoryReport[], checks: Check[], elapsedMs: number): void {
  const told = stories.filter((story) => story.ok).length;
  const held = checks.filter((check) => check.ok).length;
  const ok = told === stories.length && held === checks.length;
  const figures = `${told} of ${stories.length} stories, ${held} of ${checks.length} invariants`;
  log(`\n${mark(ok)} ${figures}, in ${seconds(elapsedMs)}\n`);
}
