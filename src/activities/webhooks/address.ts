import type { WebhookAddress } from '../../store/webhooks/endpoints.ts';
import type { Sealer } from '../../trust/seal.ts';

/** The secrets and the owner's headers of an endpoint in clear, for one attempt: the present secret first. */
export function openAddress(
  sealer: Sealer,
  { secretSealed, formerSecretSealed, headersSealed }: WebhookAddress,
): { secrets: string[]; headers: Record<string, string> } {
  return {
    secrets: [secretSealed, ...(formerSecretSealed === null ? [] : [formerSecretSealed])].map((sealed) =>
      sealer.open(sealed),
    ),
    headers: headersSealed === null ? {} : (JSON.parse(sealer.open(headersSealed)) as Record<string, string>),
  };
}
