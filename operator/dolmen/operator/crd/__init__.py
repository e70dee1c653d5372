"""CustomResourceDefinitions, generated from the models: schemas, CEL rules, columns, their text and their page."""
