//! Why a build fails, in kustomize's words where they are known.

mod chain;

/// What stopped a build. `Display` prints one link; [`Error::chain`] prints all, as kustomize does.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What was being done when the cause came up.
    #[error("{context}")]
    While {
        /// The step, with file or object.
        context: String,
        /// The failure itself.
        #[source]
        cause: Box<Error>,
    },
    /// A resource is neither a file that can be read nor a directory that can be built.
    #[error("accumulation err='{}'", as_file.chain())]
    NeitherFileNorBase {
        /// Why it is no file of resources.
        as_file: Box<Error>,
        /// Why it is no base.
        #[source]
        as_base: Box<Error>,
    },
    /// No kustomization file in a directory.
    #[error(
        "unable to find one of 'kustomization.yaml', 'kustomization.yml' or 'Kustomization' in directory '{dir}'"
    )]
    NoKustomization {
        /// The directory.
        dir: String,
    },
    /// More than one of the three names.
    #[error("Found multiple kustomization files under: {dir}\n")]
    SeveralKustomizations {
        /// The directory.
        dir: String,
    },
    /// A kustomization file that is no YAML.
    #[error("invalid Kustomization")]
    KustomizationYaml {
        /// Where and what.
        #[source]
        cause: yaml::Error,
    },
    /// A field of a kustomization file that does not exist or has the wrong type.
    #[error("invalid Kustomization: json: {problem}")]
    KustomizationField {
        /// The field and what is wrong with it.
        problem: String,
    },
    /// A field of another file, or of a plugin's configuration, that does not exist or has the wrong type.
    #[error("error unmarshaling JSON: while decoding JSON: json: {problem}")]
    Decode {
        /// The field and what is wrong with it.
        problem: String,
    },
    /// A file other than a kustomization that is no YAML.
    #[error("error converting YAML to JSON")]
    NotYaml {
        /// Where and what.
        #[source]
        cause: yaml::Error,
    },
    /// A kustomization file without any field.
    #[error("kustomization.yaml is empty")]
    KustomizationEmpty,
    /// A wrong `kind` or `apiVersion`.
    #[error("Failed to read kustomization file under {dir}:\n{}", problems.join("\n"))]
    KustomizationKind {
        /// The directory.
        dir: String,
        /// One line a field.
        problems: Vec<String>,
    },
    /// A URL or repository where only files of the tree are allowed.
    #[error("remote resource '{url}' refused: a build reads only files of its source")]
    Remote {
        /// As written.
        url: String,
    },
    /// What a URL names could not be fetched.
    #[error("fetching '{url}': {problem}")]
    Fetch {
        /// As written.
        url: String,
        /// What the fetcher says.
        problem: String,
    },
    /// A repository that names one that led to it.
    #[error("cycle detected: URI '{candidate}' referenced by previous URI '{visited}'")]
    RepositoryCycle {
        /// The repository.
        candidate: String,
        /// The one already being built.
        visited: String,
    },
    /// A file that is not there, found when its place is checked.
    #[error("{0}")]
    NoFileBelow(Missing),
    /// A file that is not there.
    #[error("open {path}: no such file or directory")]
    NoFile {
        /// Its path.
        path: String,
    },
    /// A directory where a file is wanted, found when the file's place is checked.
    #[error("'{path}' must resolve to a file")]
    NotAFile {
        /// Its path.
        path: String,
    },
    /// A directory where a file is wanted.
    #[error("read {path}: is a directory")]
    IsDirectory {
        /// Its path.
        path: String,
    },
    /// A file outside the directory of the kustomization that names it.
    #[error("security; file '{path}' is not in or below '{root}'")]
    Outside {
        /// The file.
        path: String,
        /// The directory it must be in.
        root: String,
    },
    /// A path above the root of the tree, or one that no file can have.
    #[error("security; path '{path}' in '{root}' leaves the source")]
    LeavesTree {
        /// As written.
        path: String,
        /// The directory it is relative to.
        root: String,
    },
    /// A base that is not there.
    #[error("must build at directory: not a valid directory: {missing}")]
    NoDirectory {
        /// Where the path breaks off.
        missing: Missing,
    },
    /// A base that is a file.
    #[error("must build at directory: '{path}': file is not directory")]
    NotADirectory {
        /// Its path.
        path: String,
    },
    /// A base given as an absolute path.
    #[error("new root '{path}' cannot be absolute")]
    AbsoluteBase {
        /// As written.
        path: String,
    },
    /// An empty string as a base.
    #[error("new root cannot be empty")]
    EmptyBase,
    /// A base that contains the directory that uses it.
    #[error("cycle detected: candidate root '{candidate}' contains visited root '{visited}'")]
    Cycle {
        /// The base.
        candidate: String,
        /// The directory already being built.
        visited: String,
    },
    /// Something is nested deeper than any build needs.
    #[error("{what} are nested deeper than {limit}")]
    TooDeep {
        /// What is nested.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// A build that grows beyond any use, as by bases that each use another twice.
    #[error("a build may not have more than {limit} {what}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// A component where a kustomization is wanted.
    #[error("expected kind != 'Component' for path '{path}'")]
    UnexpectedComponent {
        /// The directory.
        path: String,
    },
    /// A kustomization where a component is wanted.
    #[error("expected kind 'Component' for path '{path}' but got '{kind}'")]
    ExpectedComponent {
        /// The directory.
        path: String,
        /// What it is.
        kind: String,
    },
    /// Resources that are no YAML; go-yaml's text follows the marker that kustomize sets.
    #[error("MalformedYAMLError: {cause}{}", file.as_ref().map(|f| format!(" in File: {f}")).unwrap_or_default())]
    Malformed {
        /// The file as written in the kustomization, if it is one.
        file: Option<String>,
        /// Where and what.
        cause: yaml::Error,
    },
    /// Something other than a comment after `---`.
    #[error("invalid document separator: {text}")]
    Separator {
        /// The line.
        text: String,
    },
    /// An object that lacks what every object has.
    #[error("{problem} in object {object}")]
    BadObject {
        /// `missing Resource metadata`, `missing kind` or `missing metadata.name`.
        problem: &'static str,
        /// The object, as far as it can be named.
        object: String,
    },
    /// A `*List` whose items are no list.
    #[error("expected array in {kind}/items, but found {found}")]
    ItemsNotAList {
        /// The kind.
        kind: String,
        /// What is there.
        found: &'static str,
    },
    /// Two objects of one id.
    #[error("may not add resource with an already registered id: {id}")]
    IdTaken {
        /// The id.
        id: String,
    },
    /// A generator's object exists and its behavior does not allow that.
    #[error("id {id} exists; can not use behavior: '{behavior}', behavior must be merge or replace")]
    AlreadyGenerated {
        /// The id.
        id: String,
        /// What the generator says.
        behavior: &'static str,
    },
    /// A generator wants to merge into or replace what is not there.
    #[error("id {id} does not exist; cannot merge or replace")]
    NothingToMerge {
        /// The id.
        id: String,
    },
    /// Several objects have or had the name a generator wants to merge into.
    #[error("found multiple objects [{found}] that could accept merge of {id}")]
    MergeAmbiguous {
        /// The id.
        id: String,
        /// The candidates.
        found: String,
    },
    /// What a generator is given cannot be used.
    #[error("{problem}")]
    Generator {
        /// Source and problem.
        problem: String,
    },
    /// A generator or transformer whose configuration cannot be used.
    #[error("{problem}")]
    Plugin {
        /// What is wrong.
        problem: String,
    },
    /// A program or container as a generator or transformer.
    #[error("external plugins disabled; unable to load external plugin '{kind}'")]
    ExternalPlugin {
        /// The kind of its configuration.
        kind: String,
    },
    /// A validator that is none.
    #[error("validator shouldn't modify the resource map: {problem}")]
    Validator {
        /// What it changed.
        problem: String,
    },
    /// A wrong `openapi` field, or a schema that cannot be read.
    #[error("{problem}")]
    OpenApi {
        /// What is wrong.
        problem: String,
    },
    /// A value in the place where a transformer writes has the wrong shape.
    #[error("considering field '{path}' of object {id}: {problem}")]
    Field {
        /// The field's path.
        path: String,
        /// The object.
        id: String,
        /// What is wrong.
        problem: String,
    },
    /// Two entries for one field disagree whether to create it.
    #[error("conflicting fieldspecs")]
    ConflictingFields,
    /// A `namespace` that makes two objects one.
    #[error("namespace transformation produces ID conflict: {ids}")]
    NamespaceConflict {
        /// The objects.
        ids: String,
    },
    /// `replicas` names nothing.
    #[error("resource with name {name} does not match a config with the following GVK [{kinds}]")]
    NoReplicaTarget {
        /// The name.
        name: String,
        /// The kinds that have replicas.
        kinds: String,
    },
    /// A pattern that is no regular expression.
    #[error("error parsing regexp: `{pattern}`: {problem}")]
    Pattern {
        /// As written.
        pattern: String,
        /// What is wrong.
        problem: String,
    },
    /// A label or annotation selector that cannot be read.
    #[error("unable to parse selector '{selector}': {problem}")]
    Selector {
        /// As written.
        selector: String,
        /// What is wrong.
        problem: String,
    },
    /// A patch that cannot be read or used as it is.
    #[error("{problem}")]
    Patch {
        /// Source and problem.
        problem: String,
    },
    /// A patch whose object is not there, or is there twice.
    #[error("{found} for Id {id}; failed to find unique target for patch {id}")]
    PatchTarget {
        /// The patch's id.
        id: String,
        /// `no matches` or `multiple matches`.
        found: &'static str,
    },
    /// A patch that does not fit the object.
    #[error("applying patch to {id}: {problem}")]
    PatchMismatch {
        /// The object.
        id: String,
        /// What does not fit.
        problem: String,
    },
    /// A subject of a role binding that cannot be told from others.
    #[error(
        "setting namespace on (cluster)role binding subjects: looking up {field} on (cluster)role binding subject: wrong \
         node kind: expected ScalarNode"
    )]
    Subject {
        /// The field of it.
        field: &'static str,
    },
    /// A reference that cannot be followed.
    #[error("updating name reference in '{path}' field of '{id}': {problem}")]
    Reference {
        /// The field.
        path: String,
        /// The object that refers.
        id: String,
        /// What is wrong.
        problem: Box<Error>,
    },
    /// A reference that could mean several objects.
    #[error(
        "updating name reference in '{path}' field of '{id}': found multiple possible referrals: {candidates}"
    )]
    AmbiguousReference {
        /// The field.
        path: String,
        /// The object that refers.
        id: String,
        /// The objects that could be meant.
        candidates: String,
    },
    /// A replacement that cannot be carried out.
    #[error("{problem}")]
    Replacement {
        /// Source or target and problem.
        problem: String,
    },
    /// A var that cannot be resolved.
    #[error("{problem}")]
    Var {
        /// The var and what is wrong with it.
        problem: String,
    },
    /// An unknown word in `sortOptions` or `buildMetadata`.
    #[error("{problem}")]
    Option {
        /// The word and those allowed.
        problem: String,
    },
    /// An object that cannot be printed.
    #[error("object {id}")]
    Output {
        /// The object.
        id: String,
        /// Why.
        #[source]
        cause: yaml::Error,
    },
}

/// A path that leads nowhere, and the first part of it that is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("evalsymlink failure on '{path}' : lstat {part}: {}", if *.through_file { "not a directory" } else { "no such file or directory" })]
pub struct Missing {
    /// The whole path.
    pub path: String,
    /// The part.
    pub part: String,
    /// True if a file stands where the path needs a directory.
    pub through_file: bool,
}
