import type { Intent, IntentContext } from './types.ts';

/** What an intent names that may be new for the agent. */
export interface Circumstances {
  deviceId?: string;
  channel?: string;
  country?: string;
}

/** The country is that of the circumstances, or else that of the intent. */
export function circumstancesOf({ intent, context }: { intent: Intent; context: IntentContext }): Circumstances {
  return { deviceId: context.device_id, channel: intent.channel, country: context.country ?? intent.country };
}
