import { expect, test } from 'vitest';
import type { ReadMarks } from '../../../src/router/consistency/readMarks.ts';
import { currentScope, runInScope, type ScopeUser } from '../../../src/router/consistency/readScope.ts';

/** Somebody who routes by scopes, and what was accepted and issued. */
class User implements ScopeUser {
  readonly accepted: string[] = [];
  readonly #name: string;

  constructor(name = 'orders') {
    this.#name = name;
  }

  acceptToken(token: string): void {
    this.accepted.push(token);
  }

  issueToken(): string | undefined {
    return this.#name === '' ? undefined : `token of ${this.#name}`;
  }
}

function marksOf(user: User): ReadMarks {
  const scope = currentScope();
  if (scope === undefined) throw new Error('called in a scope');
  return scope.marksOf(user);
}

test('a scope reaches everything that is awaited inside, and nothing outside', async () => {
  const inside = await runInScope({ consistency: 'strong' }, async () => {
    await Promise.resolve();
    return currentScope()?.consistency;
  });

  expect(inside).toBe('strong');
  expect(currentScope()).toBeUndefined();
});

test('scopes beside each other share nothing; nested ones share what was written, not how it is read', () => {
  const user = new User();
  const [left, right] = [runInScope({}, () => marksOf(user)), runInScope({}, () => marksOf(user))];
  expect(left).not.toBe(right);

  runInScope({ consistency: { maxLagMs: 100 } }, () => {
    const outer = marksOf(user);
    runInScope({ consistency: 'eventual' }, () => {
      expect(marksOf(user)).toBe(outer);
      expect(currentScope()?.consistency).toBe('eventual');
    });
    runInScope({}, () => expect(currentScope()?.consistency).toEqual({ maxLagMs: 100 }));
  });
});

test('two topologies in one process keep their marks apart', () => {
  runInScope({}, () => expect(marksOf(new User())).not.toBe(marksOf(new User())));
});

test('each user reads each token once, that of the scope around it first', () => {
  const user = new User();
  runInScope({ token: 'outer' }, () => {
    runInScope({ token: 'inner' }, () => {
      marksOf(user);
      marksOf(user);
    });
    marksOf(user);
  });

  expect(user.accepted).toEqual(['outer', 'inner']);
});

test('the token of a scope is that of everybody who has something to tell', () => {
  const token = (users: readonly User[]) =>
    runInScope({}, () => {
      for (const user of users) marksOf(user);
      return currentScope()?.token();
    });

  expect(token([])).toBeUndefined();
  expect(token([new User('')])).toBeUndefined();
  expect(token([new User('orders'), new User(''), new User('stock')])).toBe('token of orders,token of stock');
});
