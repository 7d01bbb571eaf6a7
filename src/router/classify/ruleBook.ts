// The settings in the form that classifying asks them in, made once per object of settings.

import { type ClassifySettings, NameList } from './classifySettings.ts';
import { FunctionBook } from './functionBook.ts';

export interface RuleBook {
  readonly functions: FunctionBook;
  readonly relations: NameList;
  readonly hasRelations: boolean;
  readonly isConforming: boolean;
}

const books = new WeakMap<ClassifySettings, RuleBook>();

export function ruleBookOf(settings: ClassifySettings): RuleBook {
  const known = books.get(settings);
  if (known !== undefined) return known;
  const relations = new NameList(settings.primaryRelations);
  const book: RuleBook = {
    functions: new FunctionBook(settings),
    relations,
    hasRelations: !relations.isEmpty,
    isConforming: settings.standardConformingStrings ?? true,
  };
  books.set(settings, book);
  return book;
}
