import { apiGroup } from '../api/names.ts';

interface Metadata {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/**
 * What the spec asks for on pods or Services, and under it our own labels.
 *
 * Keys of our own group are left out of what the spec asks for. A role or routability that came with the template
 * would send clients to a server before anybody has looked at it.
 */
export function askedMetadata(asked: Metadata, ownLabels: Readonly<Record<string, string>>) {
  const annotations = withoutOurs(asked.annotations);
  return {
    labels: { ...withoutOurs(asked.labels), ...ownLabels },
    // An empty map would be a difference for ever: the API server does not keep it.
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
  };
}

function withoutOurs(map: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(map).filter(([key]) => !key.startsWith(`${apiGroup}/`)));
}
