interface Metadata {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** What the spec asks for on pods or Services, and over it our own labels; the schema keeps our keys out of it. */
export function askedMetadata(asked: Metadata, ownLabels: Readonly<Record<string, string>>) {
  return {
    labels: { ...asked.labels, ...ownLabels },
    // An empty map would be a difference for ever: the API server does not keep it.
    ...(Object.keys(asked.annotations).length === 0 ? {} : { annotations: asked.annotations }),
  };
}
