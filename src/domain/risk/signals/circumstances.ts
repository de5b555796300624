import { high, low, medium, type RiskSignalSpec } from '../signal-spec.ts';

/** Device, channel and country. */
export const CIRCUMSTANCE_SIGNALS: readonly RiskSignalSpec[] = [
  {
    type: 'device_untrusted',
    category: 'device',
    meaning: 'The caller does not trust the device',
    raised: 'flag',
    grades: [high(40)],
    measure: ({ context }) => context.device_trust === 'untrusted',
  },
  {
    type: 'device_unverified',
    category: 'device',
    meaning: 'The device was not verified; saying nothing about it counts as not knowing it',
    raised: 'flag',
    grades: [low(8)],
    measure: ({ context }) => context.device_trust !== 'verified' && context.device_trust !== 'untrusted',
  },
  {
    type: 'device_new',
    category: 'device',
    meaning: 'First action from this device',
    raised: 'flag',
    grades: [low(5)],
    measure: ({ deviceSeen, context }) => deviceSeen === false && context.device_trust !== 'untrusted',
  },
  {
    type: 'channel_new',
    category: 'channel',
    meaning: 'First action of the agent in this channel',
    raised: 'flag',
    grades: [low(5)],
    measure: ({ channelSeen }) => channelSeen === false,
  },
  {
    type: 'country_new',
    category: 'geo',
    meaning: 'First action of the agent in this country',
    raised: 'flag',
    grades: [low(5)],
    measure: ({ countrySeen }) => countrySeen === false,
  },
  {
    type: 'geo_mismatch',
    category: 'geo',
    meaning: 'Intent and circumstances name different countries',
    raised: 'flag',
    grades: [medium(15)],
    measure: ({ intent, context }) =>
      intent.country !== undefined && context.country !== undefined && intent.country !== context.country,
  },
];
