// The shapes of Kubernetes objects as they are on the wire: plain JSON, timestamps as strings.
//
// The generated types of @kubernetes/client-node describe what its serializer would make of them (`Date`,
// `_default`), which is not what the API server sends; `Plain` turns them back.

/** A reference from an object to the one that owns it. */
export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
  readonly blockOwnerDeletion?: boolean;
}

/** Metadata as far as this project reads or writes it. Timestamps are RFC 3339 text. */
export interface ObjectMeta {
  readonly name: string;
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly ownerReferences?: readonly OwnerReference[];
  readonly finalizers?: readonly string[];
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly generation?: number;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly managedFields?: readonly unknown[];
}

/** Any object that can be sent to the API server. */
export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
}

/** What the server has filled in on every object that it returns. */
export interface LiveMeta extends ObjectMeta {
  readonly uid: string;
  readonly resourceVersion: string;
  readonly creationTimestamp: string;
}

/** An object as it came from the API server. */
export type Live<T> = Omit<T, 'apiVersion' | 'kind' | 'metadata'> & {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: LiveMeta;
};

/** An object of which nothing but the metadata is known. */
export type LiveObject = Live<KubeObject>;

/** A generated client-node type as plain JSON: dates are text and reserved words lose their underscore. */
export type Plain<T> = T extends Date
  ? string
  : T extends readonly (infer Item)[]
    ? Plain<Item>[]
    : T extends object
      ? { [Key in keyof T as Key extends `_${infer Rest}` ? Rest : Key]: Plain<T[Key]> }
      : T;

/** Names one object of a known kind. `namespace` is left out for cluster-wide kinds. */
export interface ObjectRef {
  readonly namespace?: string;
  readonly name: string;
}
