import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';

/** Typed search attributes of the namespace: what an operator filters by. Never personal data. */
export const attributes = {
  organization: defineSearchAttributeKey('Organization', SearchAttributeType.KEYWORD),
  stage: defineSearchAttributeKey('Stage', SearchAttributeType.KEYWORD),
  decision: defineSearchAttributeKey('Decision', SearchAttributeType.KEYWORD),
  agent: defineSearchAttributeKey('Agent', SearchAttributeType.KEYWORD),
  merchant: defineSearchAttributeKey('Merchant', SearchAttributeType.KEYWORD),
  processor: defineSearchAttributeKey('Processor', SearchAttributeType.KEYWORD),
  payment: defineSearchAttributeKey('Payment', SearchAttributeType.KEYWORD),
  execution: defineSearchAttributeKey('Execution', SearchAttributeType.KEYWORD),
  needsAttention: defineSearchAttributeKey('NeedsAttention', SearchAttributeType.BOOL),
  amountMinor: defineSearchAttributeKey('AmountMinor', SearchAttributeType.INT),
};
