// Plays VS Code for the packed extension: `node vscode-stand-in.cjs EXTENSION FILE SETTINGS` activates the extension in folder
// EXTENSION, opens FILE, and takes orders from standard input, one JSON line each; what happens is told on standard output the
// same way. Only what the client really uses is here; everything else of the API is an event or a provider nobody hears of.

const Module = require("node:module");
const fs = require("node:fs");
const path = require("node:path");
const readline = require("node:readline");
const { pathToFileURL, fileURLToPath } = require("node:url");

const [, , extensionFolder, file, settingsText] = process.argv;
const settings = JSON.parse(settingsText);
const tell = (what, value) => process.stdout.write(`${JSON.stringify({ what, ...value })}\n`);

// ------------------------------------------------------------------------------------------------------------------- values

class Disposable {
  constructor(dispose) {
    this.dispose = dispose ?? (() => {});
  }
  static from(...all) {
    return new Disposable(() => {
      for (const one of all) one.dispose();
    });
  }
}

class EventEmitter {
  #listeners = new Set();
  event = (listener, self, disposables) => {
    const bound = listener.bind(self);
    this.#listeners.add(bound);
    const disposable = new Disposable(() => this.#listeners.delete(bound));
    disposables?.push(disposable);
    return disposable;
  };
  fire(value) {
    return Promise.all([...this.#listeners].map((listener) => listener(value)));
  }
  dispose() {
    this.#listeners.clear();
  }
}

class Uri {
  constructor(url) {
    const { protocol, host, pathname } = new URL(url);
    Object.assign(this, {
      scheme: protocol.slice(0, -1),
      authority: host,
      path: decodeURIComponent(pathname),
      query: "",
      fragment: "",
    });
    this.text = url;
  }
  static parse(url) {
    return new Uri(url);
  }
  static file(name) {
    return new Uri(pathToFileURL(name).href);
  }
  static joinPath(base, ...names) {
    return Uri.file(path.join(base.fsPath, ...names));
  }
  get fsPath() {
    return fileURLToPath(this.text);
  }
  with() {
    return this;
  }
  toString() {
    return this.text;
  }
}

class Position {
  constructor(line, character) {
    Object.assign(this, { line, character });
  }
}

class Range {
  constructor(...ends) {
    const [start, end] = ends.length === 4 ? [new Position(ends[0], ends[1]), new Position(ends[2], ends[3])] : ends;
    Object.assign(this, { start, end });
  }
}

class Diagnostic {
  constructor(range, message, severity) {
    Object.assign(this, { range, message, severity });
  }
}

class CancellationTokenSource {
  #emitter = new EventEmitter();
  token = { isCancellationRequested: false, onCancellationRequested: this.#emitter.event };
  cancel() {
    this.token.isCancellationRequested = true;
    this.#emitter.fire();
  }
  dispose() {}
}

/** Any class of the API that the client only derives from. */
const base = () => class {};
/** An enumeration whose members nobody looks at. */
const members = (...names) =>
  Object.fromEntries(
    names.flatMap((name, i) => [
      [name, i],
      [i, name],
    ]),
  );

// -------------------------------------------------------------------------------------------------------------- the document

const uri = Uri.file(file);
const document = {
  uri,
  fileName: file,
  languageId: "xdp",
  version: 1,
  isDirty: false,
  isUntitled: false,
  isClosed: false,
  text: fs.readFileSync(file, "utf8"),
  getText() {
    return this.text;
  },
};

const events = new Map();
/** The emitter of an event of the API, by its name. */
function emitter(name) {
  if (!events.has(name)) events.set(name, new EventEmitter());
  return events.get(name);
}

/** A room of the API: events by their names, functions that register something give a disposable. */
function room(known) {
  return new Proxy(known, {
    get(target, key) {
      if (key in target || typeof key === "symbol") return target[key];
      if (/^on[A-Z]/.test(key)) return emitter(key).event;
      if (/^(?:register|create|set)[A-Z]/.test(key)) return () => new Disposable();
      return undefined;
    },
  });
}

const output = [];
const write = (text) => output.push(String(text));
const channel = {
  name: "output",
  logLevel: 2,
  onDidChangeLogLevel: () => new Disposable(),
  append: write,
  appendLine: write,
  ...Object.fromEntries(["trace", "debug", "info", "warn", "error", "replace"].map((name) => [name, write])),
  clear() {},
  hide() {},
  dispose() {},
  show: () => tell("shown", { text: output.join("\n") }),
};

const matches = (selector, one) =>
  (Array.isArray(selector) ? selector : [selector]).some(
    (filter) => filter.language === one.languageId && (filter.scheme === undefined || filter.scheme === one.uri.scheme),
  )
    ? 10
    : 0;

const vscode = {
  version: "1.91.0",
  Disposable,
  EventEmitter,
  Uri,
  Position,
  Range,
  Diagnostic,
  CancellationTokenSource,
  CancellationError: class extends Error {},
  ...Object.fromEntries(
    [
      ..."CallHierarchyItem CodeAction CodeLens CompletionItem DocumentLink InlayHint SymbolInformation TypeHierarchyItem".split(
        " ",
      ),
      ..."TextEdit WorkspaceEdit Location MarkdownString SnippetString SemanticTokens RelativePattern".split(" "),
    ].map((name) => [name, base()]),
  ),
  DiagnosticSeverity: members("Error", "Warning", "Information", "Hint"),
  DiagnosticTag: members("None", "Unnecessary", "Deprecated"),
  LogLevel: members("Off", "Trace", "Debug", "Info", "Warning", "Error"),
  CodeActionKind: new Proxy({}, { get: (_target, name) => ({ value: String(name), append: () => ({}) }) }),
  env: { language: "en", appName: "stand-in", appHost: "desktop", uiKind: 1 },
  l10n: { t: (text) => text },
  extensions: { all: [], getExtension: () => undefined },
  workspace: room({
    textDocuments: [document],
    notebookDocuments: [],
    workspaceFolders: [{ uri: Uri.file(path.dirname(file)), name: "project", index: 0 }],
    getWorkspaceFolder: () => vscode.workspace.workspaceFolders[0],
    getConfiguration: (section) => ({
      get: (name, otherwise) => settings[section === undefined ? name : `${section}.${name}`] ?? otherwise,
      has: () => false,
      inspect: () => undefined,
    }),
    createFileSystemWatcher: () => room({ dispose() {} }),
  }),
  window: room({
    activeTextEditor: { document },
    visibleTextEditors: [{ document }],
    tabGroups: room({ all: [], activeTabGroup: undefined }),
    createOutputChannel: () => channel,
    showErrorMessage: async (text, ...answers) => {
      tell("error", { text, answers });
      return answers[0];
    },
    showInformationMessage: async () => undefined,
    showWarningMessage: async () => undefined,
    withProgress: (_options, task) => task({ report() {} }, new CancellationTokenSource().token),
  }),
  languages: room({
    match: matches,
    createDiagnosticCollection: (name) => {
      const set = (where, found) => {
        for (const [one, list] of Array.isArray(where) ? where : [[where, found]]) {
          const diagnostics = (list ?? []).map(({ message, code, range }) => {
            return { message, code: typeof code === "object" ? code?.value : code, line: range.start.line };
          });
          tell("diagnostics", { uri: one.toString(), diagnostics });
        }
      };
      return {
        name,
        set,
        delete: (one) => set(one, []),
        clear() {},
        has: () => false,
        get: () => [],
        forEach() {},
        dispose() {},
      };
    },
  }),
  commands: room({
    registered: new Map(),
    registerCommand(name, action) {
      vscode.commands.registered.set(name, action);
      return new Disposable(() => vscode.commands.registered.delete(name));
    },
    executeCommand: async (name, ...values) => tell("command", { name, values }),
    getCommands: async () => [],
  }),
};

const load = Module._load;
Module._load = function (request, ...rest) {
  return request === "vscode" ? vscode : load.call(this, request, ...rest);
};

// ------------------------------------------------------------------------------------------------------------------- orders

const { main } = JSON.parse(fs.readFileSync(path.join(extensionFolder, "package.json"), "utf8"));
const extension = require(path.join(extensionFolder, main));
const context = { extensionPath: extensionFolder, subscriptions: [] };

const ORDERS = {
  async activate() {
    await extension.activate(context);
    tell("activated", { commands: [...vscode.commands.registered.keys()] });
  },
  async write({ text }) {
    const lines = document.text.split("\n");
    const change = {
      range: new Range(0, 0, lines.length - 1, lines.at(-1).length),
      rangeLength: document.text.length,
      text,
    };
    document.text = text;
    document.version += 1;
    await emitter("onDidChangeTextDocument").fire({ document, contentChanges: [change], reason: undefined });
  },
  async set({ name, value }) {
    settings[name] = value;
    await emitter("onDidChangeConfiguration").fire({ affectsConfiguration: (section) => name.startsWith(section) });
    tell("set", { name });
  },
  async run({ name }) {
    await vscode.commands.registered.get(name)();
    tell("ran", { name });
  },
  async deactivate() {
    await extension.deactivate();
    for (const one of context.subscriptions) one.dispose();
    tell("deactivated", {});
  },
};

let last = Promise.resolve();
readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const { order, ...values } = JSON.parse(line);
  last = last
    .then(() => ORDERS[order](values))
    .catch((error) => tell("fault", { text: String(error?.stack ?? error) }));
});
