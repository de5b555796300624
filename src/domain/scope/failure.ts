export type ScopeMember =
  | 'actions'
  | 'currencies'
  | 'max_amount'
  | 'merchants'
  | 'merchant_categories'
  | 'channels'
  | 'countries'
  | 'hours'
  | 'max_total';

/** One member of a scope that does not hold, with a sentence for whoever asked. */
export interface ScopeFailure {
  member: ScopeMember;
  message: string;
}
