/** What an agent may have done, in the words of the published contract: answers use these and no others. */
export const ACTION_TYPES = [
  'api_call',
  'data_access',
  'authentication',
  'authorization',
  'transaction',
  'transaction_anomaly',
  'model_inference',
  'tool_use',
] as const;
export type ActionType = (typeof ACTION_TYPES)[number];

/** An action as it is scored. What a word of another vocabulary says beyond the type is kept beside it. */
export interface Action {
  type: ActionType;
  /** The word itself says that it did not succeed. */
  failed?: true;
  /** The word itself says that something was changed. */
  writes?: true;
  /** The word itself says that the agent left its bounds. */
  outOfBounds?: true;
}

/**
 * Words of two further vocabularies that are in use for the same contract: that of its client libraries, and that of
 * its earlier documentation. Both say `data_access` and `authentication_failure`.
 */
export const ALIASES: Readonly<Record<string, Action>> = {
  authentication_attempt: { type: 'authentication' },
  authentication_failure: { type: 'authentication', failed: true },
  data_mutation: { type: 'data_access', writes: true },
  transaction_initiated: { type: 'transaction' },
  unauthorized_access_attempt: { type: 'authorization', failed: true, outOfBounds: true },
  message_signed: { type: 'authentication' },
  message_verification_failed: { type: 'authentication', failed: true },
  tool_call: { type: 'tool_use' },
  message_sent: { type: 'api_call' },
  decision_made: { type: 'model_inference' },
  error_occurred: { type: 'tool_use', failed: true },
  resource_usage: { type: 'model_inference' },
  policy_violation: { type: 'authorization', failed: true, outOfBounds: true },
};

export const ACTION_WORDS: readonly string[] = [...ACTION_TYPES, ...Object.keys(ALIASES)];

/** @returns `undefined` for a word of none of the vocabularies */
export function actionOf(word: string): Action | undefined {
  const type = ACTION_TYPES.find((name) => name === word);
  if (type) return { type };
  return Object.hasOwn(ALIASES, word) ? ALIASES[word] : undefined;
}
