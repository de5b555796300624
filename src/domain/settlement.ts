/** One line of a settlement: gross amount of one capture or refund, and the fee kept from it. */
export interface SettlementLine {
  lineId: string;
  type: 'capture' | 'refund';
  reference: string;
  operationId: string;
  amountMinor: number;
  feeMinor: number;
  currency: string;
}

/** A batch of lines that one processor pays out together. */
export interface Settlement {
  processor: string;
  settlementId: string;
  /** RFC 3339. */
  settledAt: string;
  lines: SettlementLine[];
}
