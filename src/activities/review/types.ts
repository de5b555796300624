import type { ReviewVerdict } from '../../domain/messages.ts';
import type { ReviewStanding } from '../../domain/review/standing.ts';
import type { Tenant } from '../../domain/types.ts';

/** The review of an assessment. */
export interface ReviewRef {
  tenant: Tenant;
  /** The assessment's id. */
  reviewId: string;
}

/** Activities of `assessmentReview`. Each may be run again with the same arguments. */
export interface AssessmentReviewActivities {
  standingOfReview(ref: ReviewRef): Promise<ReviewStanding>;
  answerAssessmentReview(ref: ReviewRef, verdict: ReviewVerdict): Promise<ReviewStanding>;
  /** The time is over: denied, unless somebody decided first. */
  expireAssessmentReview(ref: ReviewRef): Promise<ReviewStanding>;
  /** A freeze or a revocation ended the review: the assessment is denied, and signed as such. */
  withdrawAssessment(ref: ReviewRef): Promise<void>;
  /** The second look; how it stands when the organization lets that decide. */
  refineAssessmentReview(ref: ReviewRef): Promise<ReviewStanding | undefined>;
}
