// Emacs with eglot as docs/editors.md sets it up, with Debian's own: the settings are run as they stand there. Diagnostics appear,
// definitions are jumped to, the buffer is formatted; and the major mode's colours and indentation are those of the compiler.

import { spawnSync } from "node:child_process";
import { cpSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { beforeAll, expect, test } from "vitest";
import { projectRoot } from "../cli/build.ts";
import { plainEnv, scratchFolder, writeFiles } from "../cli/support.ts";
import { describeWith, toolProblem } from "../support/requirements.ts";
import { filesToColour, miscoloured, placesOf, unknownWords, wordsToColour } from "./coloured.ts";
import { BUILD_MS, documented, editorEnv } from "./documented.ts";
import type { PieceClass } from "./textmate.ts";

const MODE_FOLDER = path.join(projectRoot, "editors/emacs");
const EGLOT = "/usr/share/emacs/site-lisp/elpa-src/eglot-1.9";

const folder = scratchFolder();
let env: NodeJS.ProcessEnv = { ...plainEnv(), HOME: folder };

/** Runs Emacs with the settings in `init`; then `script`, whose `(answer VALUE)` gives what is returned. */
function emacs<T>(init: string | null, script: string, cwd = folder): T {
  const answerFile = path.join(folder, "answer.json");
  const scriptFile = path.join(folder, "script.el");
  writeFileSync(answerFile, "");
  writeFileSync(
    scriptFile,
    `;;; -*- lexical-binding: t -*-
    (require 'json)
    (defun answer (value) (let ((coding-system-for-write 'utf-8)) (write-region (json-encode value) nil ${JSON.stringify(answerFile)})))
    (defun wait (condition)
      (let ((end (time-add nil 20)))
        (while (and (not (funcall condition)) (time-less-p nil end)) (accept-process-output nil 0.02))))
    ${script}`,
  );
  // Packages are there before the settings are read, as they are when Emacs is started by a person.
  const settings =
    init === null ? ["-Q", "-L", MODE_FOLDER, "-l", "xdp-mode"] : ["-f", "package-activate-all", "-l", init];
  const { stdout, stderr } = spawnSync("emacs", ["--batch", ...settings, "-l", scriptFile], {
    cwd,
    env,
    encoding: "utf8",
    timeout: 60_000,
  });
  const written = readFileSync(answerFile, "utf8");
  if (written === "") throw new Error(`no answer\n${stdout}${stderr}`);
  return JSON.parse(written) as T;
}

const eglotProblem = existsSync(EGLOT) ? null : "elpa-eglot not installed";

describeWith("Emacs with eglot", [toolProblem("emacs"), eglotProblem], () => {
  beforeAll(() => {
    env = editorEnv(folder);
    // Where the settings say the mode is.
    cpSync(MODE_FOLDER, path.join(folder, "home/.emacs.d/xdp"), { recursive: true });
    writeFileSync(path.join(folder, "init.el"), documented("Emacs", "elisp"));
  }, BUILD_MS);

  test("diagnostics, definitions, formatting, hover and completion", () => {
    writeFiles(folder, {
      "project/main.xdp":
        'import "common.xdp"\nset ports : u16[1024]\nxskmap xsk[64]\nif   tcp.dport in ports then redirect xsk\n' +
        "if is_web(tcp.dport) then pass\nif meta.len > portz then drop\n",
      "project/common.xdp": "\nfn is_web(port : u16) = port in { 80, 443 }\n",
    });
    const found = emacs<{
      mode: string;
      diagnostics: { line: number; text: string }[];
      own: [string, number];
      imported: [string, number];
      library: [string, string];
      hover: string;
      words: string[];
      cleared: boolean;
      text: string;
    }>(
      path.join(folder, "init.el"),
      `
      (find-file "main.xdp")
      ;; Without a command loop nobody else runs what waits for the first command's end: eglot's start.
      (run-hooks 'post-command-hook)
      (wait #'eglot-managed-p)
      (wait #'flymake-diagnostics)
      (let ((main (current-buffer)) result)
        (push (cons 'mode (symbol-name major-mode)) result)
        (push (cons 'diagnostics
                    (vconcat (mapcar (lambda (one) (list (cons 'line (line-number-at-pos (flymake-diagnostic-beg one)))
                                                         (cons 'text (flymake-diagnostic-text one))))
                                     (flymake-diagnostics))))
              result)
        (cl-flet ((jump (text)
                    (switch-to-buffer main)
                    (goto-char (point-min))
                    (search-forward text)
                    (backward-char)
                    (xref-find-definitions (thing-at-point 'symbol))
                    (buffer-name)))
          (push (list 'own (jump "in ports") (line-number-at-pos)) result)
          (push (list 'imported (jump "is_web") (line-number-at-pos)) result)
          (push (list 'library (jump "tcp.dport") (thing-at-point 'line)) result))
        (switch-to-buffer main)
        (goto-char (point-min))
        (search-forward "tcp.dp")
        (push (cons 'hover (json-encode (jsonrpc-request (eglot-current-server) :textDocument/hover
                                                         (eglot--TextDocumentPositionParams))))
              result)
        (goto-char (point-min))
        (search-forward "portz")
        (beginning-of-line)
        (kill-line)
        (insert "if tcp.d")
        (push (cons 'words (vconcat (all-completions "d" (nth 2 (eglot-completion-at-point))))) result)
        (beginning-of-line)
        (kill-whole-line)
        (eglot--signal-textDocument/didChange)
        (wait (lambda () (flymake-start) (null (flymake-diagnostics))))
        (push (cons 'cleared (if (flymake-diagnostics) :json-false t)) result)
        (eglot-format-buffer)
        (push (cons 'text (buffer-substring-no-properties (point-min) (point-max))) result)
        (goto-char (point-max))
        (insert "if   arp then pass\n")
        (save-buffer)
        (answer result))
      `,
      path.join(folder, "project"),
    );
    expect(found.mode).toBe("xdp-mode");
    expect(found.diagnostics).toEqual([{ line: 6, text: expect.stringContaining("X0202") }]);
    expect(found.own).toEqual(["main.xdp", 2]);
    expect(found.imported).toEqual(["common.xdp", 2]);
    expect(found.library[0]).toBe("tcp.xdp");
    expect(found.library[1]).toContain("dport : u16");
    expect(found.hover).toContain("dport");
    expect(found.words.some((word) => word.includes("dport"))).toBe(true);
    expect(found.cleared).toBe(true);
    expect(found.text.split("\n")[3]).toBe("if tcp.dport in ports then redirect xsk");
    // Formatted before it was saved, as the second part of the settings wants it.
    expect(readFileSync(path.join(folder, "project/main.xdp"), "utf8")).toMatch(/\nif arp then pass\n$/);
  });
});

describeWith("xdp-mode", [toolProblem("emacs")], () => {
  const FACES: Readonly<Record<string, PieceClass>> = {
    "font-lock-comment-face": "comment",
    "font-lock-comment-delimiter-face": "comment",
    "font-lock-string-face": "string",
    "font-lock-keyword-face": "keyword",
  };

  test("is compiled without a warning", () => {
    const file = path.join(folder, "xdp-mode.el");
    cpSync(path.join(MODE_FOLDER, "xdp-mode.el"), file);
    const words = ["--batch", "-Q", "--eval", "(setq byte-compile-error-on-warn t)", "-f", "batch-byte-compile", file];
    const { status, stderr } = spawnSync("emacs", words, { env, encoding: "utf8", timeout: 60_000 });
    expect([status, stderr]).toEqual([0, ""]);
  });

  test("colours are those of the compiler's lexer", () => {
    const words = wordsToColour(folder);
    const files = [words, ...filesToColour(folder)];
    const asked = files.map((file) => ({ path: file.path, places: placesOf(file) }));
    writeFileSync(path.join(folder, "asked.json"), JSON.stringify(asked));
    const faces = emacs<string[][]>(
      null,
      `
      (answer
       (mapcar (lambda (file)
                 (find-file (cdr (assq 'path file)))
                 (font-lock-ensure)
                 (vconcat (mapcar (lambda (place)
                                    (goto-char (point-min))
                                    (forward-line (aref place 0))
                                    (let ((face (get-text-property (byte-to-position (+ (position-bytes (point)) (aref place 1)))
                                                                   'face)))
                                      (format "%s" (if (consp face) (car face) face))))
                                  (cdr (assq 'places file)))))
               (json-read-file ${JSON.stringify(path.join(folder, "asked.json"))})))
      `,
    );
    const classes = files.map((file, i) =>
      (faces[i] ?? []).map((face, at): PieceClass => {
        // One face for numbers and addresses.
        if (face === "font-lock-constant-face") return file.tokens[at]?.class === "address" ? "address" : "number";
        return FACES[face] ?? "name";
      }),
    );
    expect(unknownWords(words, classes[0] ?? [])).toEqual([]);
    expect(files.slice(1).flatMap((file, i) => miscoloured(file, classes[i + 1] ?? []))).toEqual([]);
    const used = new Set(faces.flat());
    for (const face of [
      "constant",
      "comment-delimiter",
      "string",
      "keyword",
      "type",
      "function-name",
      "variable-name",
    ]) {
      expect(used).toContain(`font-lock-${face}-face`);
    }
  });

  test("indents as the examples are", () => {
    const files = filesToColour(folder).filter(({ path: file }) => /[/](?:examples|stdlib)[/]/.test(file));
    const texts = emacs<string[]>(
      null,
      `
      (answer
       (mapcar (lambda (file)
                 (find-file file)
                 ;; From the left margin, so that nothing is kept by chance.
                 (goto-char (point-min))
                 (while (not (eobp)) (delete-horizontal-space) (forward-line))
                 (let ((inhibit-message t)) (indent-region (point-min) (point-max)))
                 (set-buffer-modified-p nil)
                 (buffer-substring-no-properties (point-min) (point-max)))
               '(${files.map((file) => JSON.stringify(file.path)).join(" ")})))
      `,
    );
    expect(texts.length).toBeGreaterThan(20);
    for (const [i, text] of texts.entries()) expect(text).toBe(files[i]?.text);
  });
});
