// Neovim as docs/editors.md sets it up, with Debian's own: the settings are run as they stand there. Diagnostics appear, definitions
// are jumped to, the buffer is formatted, names are completed; and the syntax file's colours are those of the compiler's lexer.

import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { beforeAll, expect, test } from "vitest";
import { projectRoot } from "../cli/build.ts";
import { plainEnv, runBuilt, scratchFolder, writeFiles } from "../cli/support.ts";
import { describeWith, toolProblem } from "../support/requirements.ts";
import { filesToColour, miscoloured, placesOf, unknownWords, wordsToColour } from "./coloured.ts";
import { BUILD_MS, documented, editorEnv } from "./documented.ts";
import type { PieceClass } from "./textmate.ts";

const folder = scratchFolder();
let env: NodeJS.ProcessEnv = { ...plainEnv(), HOME: folder };

/** Runs Neovim with `words`; then `script`, whose `answer(VALUE)` gives what is returned. */
function nvim<T>(script: string, words: readonly string[], cwd = folder): T {
  const answerFile = path.join(folder, "answer.json");
  const scriptFile = path.join(folder, "script.lua");
  const helpers = `
    local function answer(value)
      local file = assert(io.open(${JSON.stringify(answerFile)}, "w"))
      file:write(vim.json.encode(value))
      file:close()
    end
    local function wait(condition) return vim.wait(20000, condition, 20) end
  `;
  writeFileSync(answerFile, "");
  writeFileSync(scriptFile, `${helpers}\n${script}`);
  const { stdout, stderr } = spawnSync("nvim", ["--headless", "--clean", ...words, "-S", scriptFile, "+qa!"], {
    cwd,
    env,
    encoding: "utf8",
    timeout: 60_000,
  });
  const written = readFileSync(answerFile, "utf8");
  if (written === "") throw new Error(`no answer\n${stdout}${stderr}`);
  return JSON.parse(written) as T;
}

describeWith("Neovim", [toolProblem("nvim")], () => {
  beforeAll(() => {
    env = editorEnv(folder);
    writeFileSync(path.join(folder, "init.lua"), documented("Neovim", "lua"));
  }, BUILD_MS);

  const settings = (): string[] => ["-u", path.join(folder, "init.lua")];

  test("diagnostics, definitions, formatting, hover and completion", () => {
    writeFiles(folder, {
      "project/.git/HEAD": "",
      "project/rules/main.xdp":
        'import "common.xdp"\nset ports : u16[1024]\nxskmap xsk[64]\nif   tcp.dport in ports then redirect xsk\n' +
        "if is_web(tcp.dport) then pass\nif meta.len > portz then drop\n",
      "project/rules/common.xdp": "\nfn is_web(port : u16) = port in { 80, 443 }\n",
    });
    const found = nvim<{
      filetype: string;
      root: string;
      diagnostics: { lnum: number; col: number; code: string; source: string }[];
      cleared: boolean;
      own: [string, number, number];
      imported: [string, number, number];
      library: [string, string];
      hover: string;
      words: string[];
      text: string[];
    }>(
      `
      local main = vim.api.nvim_get_current_buf()
      wait(function() return #vim.diagnostic.get(main) > 0 end)
      local result = { filetype = vim.bo.filetype, diagnostics = vim.tbl_map(function(one)
        return { lnum = one.lnum, col = one.col, code = one.code, source = one.source }
      end, vim.diagnostic.get(main)) }
      local client = vim.lsp.buf_get_clients(main)
      for _, one in pairs(client) do result.root = one.config.root_dir end

      local function place()
        local name = vim.fn.fnamemodify(vim.api.nvim_buf_get_name(0), ":t")
        return { name, unpack(vim.api.nvim_win_get_cursor(0)) }
      end
      local function jump(line, column)
        vim.api.nvim_set_current_buf(main)
        vim.api.nvim_win_set_cursor(0, { line, column })
        local before = place()
        vim.cmd("normal gd")
        wait(function() return not vim.deep_equal(place(), before) end)
        return place()
      end
      result.own = jump(4, 21)
      result.imported = jump(5, 4)
      local library = jump(4, 10)
      result.library = { library[1], vim.api.nvim_get_current_line() }

      vim.api.nvim_set_current_buf(main)
      local function ask(method, line, column)
        local replies = vim.lsp.buf_request_sync(main, method, {
          textDocument = vim.lsp.util.make_text_document_params(main),
          position = { line = line - 1, character = column },
        }, 20000)
        for _, reply in pairs(replies or {}) do return reply.result end
      end
      result.hover = vim.json.encode(ask("textDocument/hover", 4, 9))
      vim.api.nvim_buf_set_lines(main, 5, 6, false, { "if tcp.d" })
      local items = ask("textDocument/completion", 6, 8)
      result.words = vim.tbl_map(function(item) return item.label end, items.items or items)
      vim.api.nvim_buf_set_lines(main, 5, 6, false, {})
      result.cleared = wait(function() return #vim.diagnostic.get(main) == 0 end)

      vim.cmd([[normal \\f]])
      result.text = vim.api.nvim_buf_get_lines(main, 0, -1, false)
      answer(result)
      `,
      [...settings(), "rules/main.xdp"],
      path.join(folder, "project"),
    );
    expect(found.filetype).toBe("xdp");
    expect(found.root).toBe(path.join(folder, "project"));
    expect(found.diagnostics).toEqual([{ lnum: 5, col: 14, code: "X0202", source: "xdpc" }]);
    expect(found.own).toEqual(["main.xdp", 2, 4]);
    expect(found.imported).toEqual(["common.xdp", 2, 3]);
    expect(found.library[0]).toBe("tcp.xdp");
    expect(found.library[1]).toContain("dport : u16");
    expect(found.hover).toContain("dport");
    expect(found.words).toContain("dport");
    expect(found.words).not.toContain("xsk");
    expect(found.cleared).toBe(true);
    expect(found.text[3]).toBe("if tcp.dport in ports then redirect xsk");
  });

  test("files of one project share a server, others have their own", () => {
    writeFiles(folder, {
      "one/.git/HEAD": "",
      "one/a.xdp": "if arp then drp\n",
      "one/deep/b.xdp": "if arp then drp\n",
      "two/c.xdp": "if arp then drp\n",
    });
    const roots = nvim<string[][]>(
      `
      local roots = {}
      for _, file in ipairs({ "one/a.xdp", "one/deep/b.xdp", "two/c.xdp" }) do
        vim.cmd("edit " .. file)
        wait(function() return #vim.diagnostic.get(0) > 0 end)
        local own = {}
        for id, client in pairs(vim.lsp.buf_get_clients(0)) do own = { tostring(id), client.config.root_dir } end
        table.insert(roots, own)
      end
      answer(roots)
      `,
      settings(),
    );
    const [a, b, c] = roots;
    expect(a).toEqual([expect.any(String), path.join(folder, "one")]);
    expect(b).toEqual(a);
    expect(c?.[1]).toBe(path.join(folder, "two"));
    expect(c?.[0]).not.toBe(a?.[0]);
  });
});

describeWith("Vim's syntax file in Neovim", [toolProblem("nvim")], () => {
  const GROUPS: Readonly<Record<string, PieceClass>> = {
    xdpComment: "comment",
    xdpTodo: "comment",
    xdpForeign: "comment",
    xdpString: "string",
    xdpEscape: "string",
    xdpFormat: "string",
    xdpNumber: "number",
    xdpAddress: "address",
    xdpContextual: "keyword",
    xdpConditional: "keyword",
    xdpOperator: "keyword",
    xdpVerdict: "keyword",
    xdpDeclare: "keyword",
  };

  const plugin = ["--cmd", `set runtimepath^=${path.join(projectRoot, "editors/vim")}`];
  const switchOn = 'vim.cmd("filetype plugin indent on | syntax on")';

  test("colours are those of the compiler's lexer", () => {
    const words = wordsToColour(folder);
    const files = [words, ...filesToColour(folder)];
    const asked = files.map((file) => ({ path: file.path, places: placesOf(file) }));
    writeFileSync(path.join(folder, "asked.json"), JSON.stringify(asked));
    const groups = nvim<string[][]>(
      `
      ${switchOn}
      local asked = vim.json.decode(io.open(${JSON.stringify(path.join(folder, "asked.json"))}):read("*a"))
      answer(vim.tbl_map(function(file)
        vim.cmd("edit " .. file.path)
        assert(vim.bo.filetype == "xdp" and vim.bo.commentstring == "# %s")
        return vim.tbl_map(function(place)
          return vim.fn.synIDattr(vim.fn.synID(place[1] + 1, place[2] + 1, 1), "name")
        end, file.places)
      end, asked))
      `,
      plugin,
    );
    const classes = groups.map((ofFile) => ofFile.map((group) => GROUPS[group] ?? "name"));
    expect(unknownWords(words, classes[0] ?? [])).toEqual([]);
    expect(files.slice(1).flatMap((file, i) => miscoloured(file, classes[i + 1] ?? []))).toEqual([]);
    // Each kind of group is in use.
    const used = new Set(groups.flat());
    expect(
      Object.keys(GROUPS).filter((group) => !used.has(group) && !/Todo|Foreign|Escape|Format/.test(group)),
    ).toEqual([]);
  });

  test("the compiler's messages fill the list of errors", () => {
    writeFiles(folder, { "bad.xdp": "if arp then pass\nif meta.len > portz then drop\n" });
    const { stderr } = runBuilt(["bad.xdp"], { cwd: folder });
    writeFileSync(path.join(folder, "messages"), `make: xdpc bad.xdp\n${stderr}make: *** [all] Error 1\n`);
    writeFileSync(path.join(folder, "settings.vim"), documented("Vim", "vim"));
    const places = nvim<unknown>(
      `
      vim.cmd("source settings.vim | cgetfile messages")
      answer(vim.tbl_map(function(one)
        return { vim.fn.bufname(one.bufnr), one.lnum, one.col, one.type, one.nr, one.text }
      end, vim.tbl_filter(function(one) return one.valid == 1 end, vim.fn.getqflist())))
      `,
      [],
    );
    expect(places).toEqual([["bad.xdp", 2, 15, "E", 202, "nothing is called `portz`"]]);
  });

  test("indents as the examples are", () => {
    const files = filesToColour(folder).filter(({ path: file }) => /[/](?:examples|stdlib)[/]/.test(file));
    const changed = nvim<string[][]>(
      `
      ${switchOn}
      answer(vim.tbl_map(function(file)
        vim.cmd("edit " .. file)
        local before = vim.api.nvim_buf_get_lines(0, 0, -1, false)
        -- From the left margin, so that nothing is kept by chance.
        vim.cmd("silent %left | silent normal! gg=G")
        local changed = {}
        for i, line in ipairs(vim.api.nvim_buf_get_lines(0, 0, -1, false)) do
          if line ~= before[i] then table.insert(changed, file .. ":" .. i .. ": " .. line) end
        end
        vim.cmd("edit!")
        return changed
      end, vim.json.decode('${JSON.stringify(files.map((file) => file.path))}')))
      `,
      plugin,
    );
    expect(changed.length).toBeGreaterThan(20);
    expect(changed.flat()).toEqual([]);
  });
});
