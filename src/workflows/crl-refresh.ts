import {
  condition,
  continueAsNew,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  upsertSearchAttributes,
} from '@temporalio/workflow';
import type { CertificateActivities, ListPass } from '../activities/certificates/types.ts';
import { certificateRevokedSignal } from './messages.ts';
import { attributes } from './visibility.ts';

/** A run ends after so many passes, so that its history stays short. */
const PASSES_PER_RUN = 200;

const { refreshLists } = proxyActivities<CertificateActivities>({
  summary: 'sign revocation lists that have changed or grown old',
  startToCloseTimeout: 120_000,
  retry: { initialInterval: 500, backoffCoefficient: 2, maximumInterval: 60_000 },
});

export interface RefreshState {
  /** Passes of this run; smaller in tests. */
  passes?: number;
  /** A list could not be signed when the last pass ended. */
  needsAttention?: boolean;
}

/** Keeps the revocation lists current, for as long as the installation lives. */
export async function crlRefresh({
  passes = PASSES_PER_RUN,
  needsAttention = false,
}: RefreshState = {}): Promise<void> {
  let flagged = needsAttention;
  let news = false;
  setHandler(certificateRevokedSignal, () => void (news = true), { description: 'A certificate was revoked' });
  for (let pass = 0; pass < passes; pass++) {
    news = false;
    const result = await refreshLists();
    setCurrentDetails(detailsOf(result));
    const failed = result.failed.length > 0;
    if (failed !== flagged) {
      upsertSearchAttributes([{ key: attributes.needsAttention, value: failed }]);
      flagged = failed;
    }
    await condition(() => news, result.nextInMs, { summary: 'until something is revoked, or the next look' });
  }
  await continueAsNew<typeof crlRefresh>({ passes, needsAttention: flagged });
}

function detailsOf({ signed, failed }: ListPass): string {
  const last = `**Revocation lists** — last pass: ${signed.length === 0 ? 'nothing to sign' : signed.join('; ')}`;
  return failed.length === 0 ? last : [last, '', '**Not signed:**', ...failed.map((line) => `- ${line}`)].join('\n');
}
