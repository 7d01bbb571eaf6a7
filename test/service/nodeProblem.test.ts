import { expect, test } from 'vitest';
import manifest from '../../package.json' with { type: 'json' };
import { nodeProblem } from '../../src/service/nodeProblem.ts';

test.each(['24.11.0', '24.12.1', '26.0.0', process.versions.node])('Node %s runs the program', (version) => {
  expect(nodeProblem(version)).toBeNull();
});

test.each(['20.20.2', '22.21.0', '24.10.9'])('Node %s is told to be too old', (version) => {
  expect(nodeProblem(version)).toBe(
    `replica-manager needs Node 24.11 or newer, this is ${version}: run it with a newer one`,
  );
});

test('it is the version that the package asks for', () => {
  expect(manifest.engines.node).toBe('>=24.11');
});
