import { ApiError } from '../kube/apiError.ts';

/** What the plan of a cycle was made from is not true any more, so nothing else of it may be done. */
export class StaleFacts extends ApiError {
  constructor(message: string) {
    super({ status: 409, reason: 'Conflict', message });
  }
}
