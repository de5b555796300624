/** Where a payment goes, and why (docs/routing.md). Pure: same input, same plan. */
export { planRoute } from './routing/plan.ts';
export type * from './routing/types.ts';
