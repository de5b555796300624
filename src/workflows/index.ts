export { executionLifecycle } from './execution-lifecycle.ts';
export { refund } from './refund.ts';
