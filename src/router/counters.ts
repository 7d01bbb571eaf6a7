/** What the router has done since it began. */
export interface Counters {
  reads: number;
  writes: number;
  fallbacks: number;
  keptOnPrimary: number;
  retries: number;
  denied: number;
}

export const noCounts: Counters = {
  reads: 0,
  writes: 0,
  fallbacks: 0,
  keptOnPrimary: 0,
  retries: 0,
  denied: 0,
};
