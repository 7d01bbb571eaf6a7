// Building blocks of the spec: the kinds of values that occur in several places. Every text has a
// greatest length, because the API server refuses rules whose cost it cannot bound.
import { z } from 'zod';
import { bytesPattern } from '../lib/quantity.ts';
import { shaped, withRules } from './rule.ts';

const textMaxLength = 4096;
const sizeMaxLength = 24;
const imageMaxLength = 512;
/** Of a map of labels or annotations. Kubernetes itself only limits the bytes of all annotations (256 KiB). */
const mapMaxProperties = 64;

export const byteSize = (description: string) =>
  withRules(
    z.string().max(sizeMaxLength).meta({ description }),
    shaped(bytesPattern, 'write a size as a number and a unit, for example 512Mi or 10Gi'),
  );

export const wholeNumber = (description: string, min: number, max: number) =>
  z.int32().min(min).max(max).meta({ description });

export const image = (description: string) =>
  withRules(
    z.string().max(imageMaxLength).meta({ description }),
    shaped(
      '^[a-zA-Z0-9][-a-zA-Z0-9._]*(:[0-9]+)?(/[a-z0-9][-a-z0-9._]*)*(:[a-zA-Z0-9_][-a-zA-Z0-9._]{0,127})?(@sha256:[0-9a-f]{64})?$',
      'write an image as name:tag, registry/name:tag or name@sha256:digest, for example postgres:17',
    ),
  );

/** One line, so that a value can never become a second setting in a file. */
export const oneLine = () =>
  withRules(
    z.string().max(textMaxLength),
    shaped('^[^\\n\\r\\x00]*$', 'write the value in one line, without line breaks'),
  );

export const objectName = (description: string) =>
  withRules(
    z.string().max(253).meta({ description }),
    shaped(
      '^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$',
      'write the name of an object: lower case letters, digits, - and ., beginning and ending with a letter or digit',
    ),
  );

/** A name in PostgreSQL that never needs quotes. 63 bytes is what the server keeps of a name. */
export const identifier = (description: string) =>
  withRules(
    z.string().max(63).meta({ description }),
    shaped(
      '^[a-z_][a-z0-9_]*$',
      'write a name of lower case letters, digits and _ that does not begin with a digit',
    ),
  );

/** Parts of Kubernetes' own API that are passed through to pods; the API server checks them there. */
export const passedThrough = (description: string) => z.looseObject({}).meta({ description });

const metadataKey = '^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$';
const labelValue = '^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$';
/** Labels and annotations that the operator sets, and by which it and the Services find pods. */
const ownKey = '^(replica-manager\\.io/.*|app\\.kubernetes\\.io/(component|managed-by))$';

const keyRules = (what: string) =>
  [
    {
      rule: `self.all(key, key.matches('${metadataKey}'))`,
      message: `write the keys of ${what} as name or prefix/name, for example example.com/team`,
      holds: (map: Readonly<Record<string, string>>) =>
        Object.keys(map).every((key) => new RegExp(metadataKey).test(key)),
    },
    {
      rule: `!self.exists(key, key.matches('${ownKey.replaceAll('\\', '\\\\')}'))`,
      message: `remove ${what} with the prefix replica-manager.io, app.kubernetes.io/component and app.kubernetes.io/managed-by, the operator sets these itself`,
      holds: (map: Readonly<Record<string, string>>) =>
        !Object.keys(map).some((key) => new RegExp(ownKey).test(key)),
    },
  ] as const;

const labels = withRules(
  z
    .record(
      z.string(),
      withRules(
        z.string().max(63),
        shaped(labelValue, 'write label values of letters, digits, -, _ and ., at most 63 of them'),
      ),
    )
    .meta({ description: 'Additional labels.', maxProperties: mapMaxProperties }),
  ...keyRules('labels'),
);

const annotations = withRules(
  z
    .record(z.string(), z.string().max(textMaxLength))
    .meta({ description: 'Additional annotations.', maxProperties: mapMaxProperties }),
  ...keyRules('annotations'),
);

export const addedMetadata = (description: string) =>
  z
    .object({ labels: labels.default({}), annotations: annotations.default({}) })
    .prefault({})
    .meta({ description });
