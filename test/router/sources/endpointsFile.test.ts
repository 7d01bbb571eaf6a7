import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { EndpointsDocument } from '../../../src/endpoints/endpointsDocument.ts';
import { silentLog } from '../../../src/lib/log.ts';
import { EndpointsFile } from '../../../src/router/sources/endpointsFile.ts';
import { endpointsDocument } from '../../fixtures/endpointsDocument.ts';
import { MountedFolder } from '../../fixtures/mountedFolder.ts';

const first = endpointsDocument({ epoch: 3, generation: 7 });
const second = endpointsDocument({ epoch: 3, generation: 8, replicas: [] });
const mounted = (document: EndpointsDocument) => ({ 'endpoints.json': JSON.stringify(document) });

function follow(folder: MountedFolder) {
  const refusals: object[] = [];
  const log = { ...silentLog, warn: (fields: object) => refusals.push(fields) };
  return { file: new EndpointsFile(join(folder.path, 'endpoints.json'), log), refusals };
}

test('a swap of the mount is seen, and a look without one reads nothing', () => {
  using folder = new MountedFolder(mounted(first));
  const { file, refusals } = follow(folder);

  expect([file.refresh(), file.document]).toEqual([true, first]);
  expect([file.refresh(), file.document]).toEqual([false, first]);
  folder.write(mounted(second));
  expect([file.refresh(), file.document]).toEqual([true, second]);
  expect(refusals).toEqual([]);
});

test('a plain file that is rewritten in place is seen, too', () => {
  using folder = new MountedFolder();
  const { file } = follow(folder);
  writeFileSync(file.path, JSON.stringify(first));
  file.refresh();
  writeFileSync(file.path, JSON.stringify(second));
  expect([file.refresh(), file.document]).toEqual([true, second]);
});

const otherTopology = { ...second.topology, systemIdentifier: '99' };
test.each([
  ['empty', '', 'endpoints document: expected a JSON object, found nothing'],
  [
    'cut off',
    JSON.stringify(second).slice(0, 20),
    'endpoints document: expected valid JSON, found "{\\"version\\":1,\\"topolo"',
  ],
  ['incomplete', '{"version": 1}', 'endpoints document: topology: expected an object, found nothing'],
  [
    'of an earlier generation',
    JSON.stringify({ ...second, generation: 6 }),
    'is older than the one in use: epoch 3, generation 6 after epoch 3, generation 7',
  ],
  [
    'of an earlier epoch',
    JSON.stringify({ ...second, epoch: 2 }),
    'is older than the one in use: epoch 2, generation 8 after epoch 3, generation 7',
  ],
  [
    'of another topology',
    JSON.stringify({ ...second, topology: otherTopology }),
    'is about another topology or database system, restart the application to follow it',
  ],
])(
  'a document that is %s is refused once, and the last good one stays until a newer one comes',
  (_, text, reason) => {
    using folder = new MountedFolder(mounted(first));
    const { file, refusals } = follow(folder);
    file.refresh();

    folder.write({ 'endpoints.json': text });
    expect([file.refresh(), file.refresh(), file.document, file.refusal]).toEqual([
      false,
      false,
      first,
      reason,
    ]);
    expect(refusals).toEqual([{ path: file.path, reason }]);

    folder.write(mounted(second));
    expect([file.refresh(), file.document, file.refusal]).toEqual([true, second, undefined]);
  },
);

test('a file that goes away and comes back unchanged changes nothing', () => {
  using folder = new MountedFolder();
  const { file, refusals } = follow(folder);
  writeFileSync(file.path, JSON.stringify(first));
  file.refresh();
  rmSync(file.path);
  expect([file.refresh(), file.document, file.refusal]).toEqual([false, first, 'does not exist']);
  writeFileSync(file.path, JSON.stringify(first));
  expect([file.refresh(), file.document, file.refusal]).toEqual([false, first, undefined]);
  expect(refusals).toEqual([{ path: file.path, reason: 'does not exist' }]);
});
