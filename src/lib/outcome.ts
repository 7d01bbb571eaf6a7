/**
 * What one run of a control loop says about the next.
 *
 * `settled`: nothing to do until something changes. `again`: look again after a while even if nothing changes.
 * `blocked`: waits for somebody else's change (a person, another controller); the reason is for people.
 */
export type Outcome =
  | { readonly kind: 'settled' }
  | { readonly kind: 'again'; readonly afterMs: number }
  | { readonly kind: 'blocked'; readonly reason: string };
