/**
 * Offline verification of what Prokura and its neighbours sign: no server, no database, no network. Each function takes
 * the object that `prokura verify <kind>` reads and answers `{valid, code, detail, claims}`; what is to be verified never
 * makes it throw, a question that cannot be asked throws `Misuse`.
 */
export { verifyAgentCard } from './agent-card.ts';
export { verifyAudit } from './audit.ts';
export { verifyAuditBundle, type BundleOptions } from './audit-bundle.ts';
export { verifyCertificate } from './certificate.ts';
export { verifyCoverage, verifyCoverageBundle, type CoverageOptions } from './coverage.ts';
export { verifyHttpSignature } from './http-signature.ts';
export { verifyMandate, type MandateVerification } from './mandate.ts';
export { verifyReceipt } from './receipt.ts';
export { Misuse, type Verification } from './result.ts';
export { verifyVerdict } from './verdict.ts';
export { verifyWebhook } from './webhook.ts';
