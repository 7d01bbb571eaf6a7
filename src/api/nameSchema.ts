// What a topology may be called. Names of its pods, Services and Secrets are made from its own.
import { z } from 'zod';
import { topologyNameMaxLength } from './names.ts';
import { shaped, withRules } from './rule.ts';

/** Services must begin with a letter and have no dots, so a topology must not either. */
export const nameSchema = withRules(
  z.string(),
  {
    rule: `size(self) <= ${topologyNameMaxLength}`,
    message: `choose a name of at most ${topologyNameMaxLength} characters, names of pods and Services are made from it`,
    holds: (name: string) => name.length <= topologyNameMaxLength,
  },
  shaped(
    '^[a-z]([-a-z0-9]*[a-z0-9])?$',
    'choose a name of lower case letters, digits and - that begins with a letter and has no dots, names of Services are made from it',
  ),
);
