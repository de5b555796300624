import { boolean, integer, sequence, TAG, tlv, utf8 } from './der.ts';

/** What an agent was registered for, in US dollars. */
export interface FinancialScope {
  max_single_trade_usd: number;
  daily_limit_usd: number;
  permitted_instruments: string[];
  permitted_venues: string[];
  leverage_permitted: boolean;
  max_leverage_ratio?: number;
}

/** OIDs under the arc of the installation; docs/certificates.md has the ASN.1. */
export const arcOids = (arc: string) => ({
  /** certificate policies */
  live: `${arc}.1.1`,
  test: `${arc}.1.2`,
  /** extension */
  agentAuthority: `${arc}.2.1`,
});

/**
 * The extension AgentAuthority: what the agent may do, as it was registered when the certificate was issued. A statement
 * for those who check the certificate elsewhere; here the delegations decide.
 *
 *     AgentAuthority ::= SEQUENCE {
 *       version           INTEGER (1),
 *       permittedActions  SEQUENCE OF UTF8String,
 *       financialScope    [0] FinancialScope OPTIONAL }
 *     FinancialScope ::= SEQUENCE {
 *       maxSingleTradeUsd    Decimal,
 *       dailyLimitUsd        Decimal,
 *       permittedInstruments SEQUENCE OF UTF8String,
 *       permittedVenues      SEQUENCE OF UTF8String,
 *       leveragePermitted    BOOLEAN,
 *       maxLeverageRatio     [0] Decimal OPTIONAL }
 *     Decimal ::= UTF8String -- [0-9]+(\.[0-9]+)?
 *
 * Tags are explicit. Decimals are texts, so that no reader's floating point has a say.
 */
export function agentAuthority({ actions, scope }: { actions: readonly string[]; scope?: FinancialScope }): Buffer {
  const texts = (list: readonly string[]) => sequence(...list.map(utf8));
  return sequence(
    integer(1),
    texts(actions),
    ...(scope === undefined
      ? []
      : [
          tlv(
            TAG.context(0),
            sequence(
              utf8(decimal(scope.max_single_trade_usd)),
              utf8(decimal(scope.daily_limit_usd)),
              texts(scope.permitted_instruments),
              texts(scope.permitted_venues),
              boolean(scope.leverage_permitted),
              ...(scope.max_leverage_ratio === undefined
                ? []
                : [tlv(TAG.context(0), utf8(decimal(scope.max_leverage_ratio)))]),
            ),
          ),
        ]),
  );
}

const FORM = new Intl.NumberFormat('en-US', { useGrouping: false, maximumSignificantDigits: 17 });

/** A number as it was written in JSON, without an exponent. */
function decimal(value: number): string {
  const shortest = String(value);
  return shortest.includes('e') ? FORM.format(value) : shortest;
}
