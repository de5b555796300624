import { parseAdyenNotification } from '../../src/processors/adyen/notification.ts';
import type { ProcessorOutcome } from '../../src/processors/port.ts';
import { startReceiver, startTestSimulator, type Received } from './simulator-subject.ts';

/** Made up; of the length that Adyen's keys have. */
export const HMAC_KEY = '0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF';

/** A simulated Adyen that tells a receiver of ours, and what it told about an operation. */
export async function startTestAdyen() {
  const receiver = await startReceiver();
  const simulator = await startTestSimulator();
  const endpoint = { processor: 'alpha', wire: 'adyen', url: receiver.url, secret: HMAC_KEY };
  await simulator.control('endpoints', endpoint);
  const account = (mid: string, capabilities = {}) => ({
    processor: 'alpha',
    mid,
    baseUrl: `${simulator.url}/alpha/v71`,
    apiKey: 'AQE_test',
    capabilities,
  });
  return {
    simulator,
    receiver,
    multi: account('ProkuraMulti', { multicapture: true }),
    more: account('ProkuraMultiOver', { multicapture: true, incremental: true, overcapture: true }),
    single: account('ProkuraSingle'),
    /** What was notified about the operation, waited for; the last of it counts. */
    told: async (operationId: string, withinMs = 3_000): Promise<ProcessorOutcome | undefined> => {
      const deadline = Date.now() + withinMs;
      for (;;) {
        const outcome = receiver.received
          .flatMap(readNews)
          .findLast((news) => news.operationId === operationId)?.outcome;
        if (outcome || Date.now() > deadline) return outcome;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
    stop: async () => {
      await simulator.stop();
      await receiver.stop();
    },
  };
}

function readNews({ body }: Received) {
  const parsed = JSON.parse(body.toString()) as {
    notificationItems: { NotificationRequestItem: { merchantAccountCode: string } }[];
  };
  const mid = parsed.notificationItems[0]!.NotificationRequestItem.merchantAccountCode;
  return parseAdyenNotification(parsed, mid, HMAC_KEY).flatMap(({ news }) => news ?? []);
}
