/** What the router has done since it began. */
export interface Counters {
  reads: number;
  writes: number;
  fallbacks: number;
  retries: number;
  denied: number;
}
