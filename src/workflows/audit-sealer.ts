import { continueAsNew, proxyActivities, setCurrentDetails, sleep, upsertSearchAttributes } from '@temporalio/workflow';
import type { AuditActivities, SealPass } from '../activities/audit/types.ts';
import { attributes } from './visibility.ts';

/** A run ends after so many passes, so that its history stays short. */
const PASSES_PER_RUN = 200;

/** A worker that dies is noticed after this; the pass it left is done again. */
const { sealAudit } = proxyActivities<AuditActivities>({
  summary: 'extend the trees, sign checkpoints',
  startToCloseTimeout: 60_000,
  retry: { initialInterval: 1_000, backoffCoefficient: 2, maximumInterval: 60_000 },
});

export interface SealerState {
  /** Passes of this run; smaller in tests. */
  passes?: number;
  /** A trail could not be sealed when the last pass ended. */
  needsAttention?: boolean;
}

/** Seals the audit trails of all organizations, for as long as the installation lives. */
export async function auditSealer({
  passes = PASSES_PER_RUN,
  needsAttention = false,
}: SealerState = {}): Promise<void> {
  let flagged = needsAttention;
  for (let pass = 0; pass < passes; pass++) {
    const result = await sealAudit();
    setCurrentDetails(detailsOf(result));
    const refused = result.refused.length > 0;
    if (refused !== flagged) {
      upsertSearchAttributes([{ key: attributes.needsAttention, value: refused }]);
      flagged = refused;
    }
    if (!result.more) await sleep(result.nextInMs);
  }
  await continueAsNew<typeof auditSealer>({ passes, needsAttention: flagged });
}

function detailsOf({ sealed, checkpoints, refused }: SealPass): string {
  const last = `**Audit sealer** — last pass: ${sealed} entries, ${checkpoints} checkpoints`;
  if (refused.length === 0) return last;
  return [last, '', '**Broken trails, not sealed further:**', ...refused.map((line) => `- ${line}`)].join('\n');
}
