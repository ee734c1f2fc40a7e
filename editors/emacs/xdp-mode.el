;;; xdp-mode.el --- Major mode for packet rules (xdp)  -*- lexical-binding: t -*-

;; Version: 0.1.0
;; Package-Requires: ((emacs "27.1"))
;; Keywords: languages
;; SPDX-License-Identifier: Apache-2.0

;;; Commentary:

;; Colours, comments and indentation for the rules that xdpc compiles.  A word's part is decided by its neighbours on the
;; line, as the compiler does it: any word is a name after a dot and before a colon, few words are reserved, the others
;; are keywords only where they can be.  Everything else is the language server's (see eglot).

;;; Code:

(defgroup xdp nil "Packet rules." :group 'languages)

(defcustom xdp-indent-offset 4
  "Columns by which a block's contents are indented, as `xdpc fmt' has it."
  :type 'integer
  :safe #'integerp)

(defvar xdp-mode-syntax-table
  (let ((table (make-syntax-table)))
    (modify-syntax-entry ?# "<" table)
    (modify-syntax-entry ?\n ">" table)
    (modify-syntax-entry ?\" "\"" table)
    (modify-syntax-entry ?\\ "\\" table)
    (modify-syntax-entry ?_ "_" table)
    (dolist (sign '(?+ ?- ?* ?/ ?% ?& ?| ?^ ?< ?> ?= ?! ?. ?: ?, ?\;))
      (modify-syntax-entry sign "." table))
    table)
  "What characters are in packet rules.")

(defconst xdp--control
  (regexp-opt '("if" "then" "else" "switch" "for" "let" "as" "in" "exceeds" "and" "or" "not" "pass" "drop" "tx" "aborted")
              'symbols)
  "Words that are never names, but after a dot and before a colon.")

(defconst xdp--contextual
  (regexp-opt
   '("set" "map" "counter" "limiter" "const" "config" "var" "struct" "header" "fn" "import" "license" "default" "program"
     "test" "devmap" "devmap_hash" "cpumap" "xskmap" "ringbuf" "perf" "prog_array"
     "redirect" "log" "count" "insert" "delete" "swap" "flood" "forward" "tail" "emit" "sample" "push" "pop" "encap"
     "decap" "trim"
     "from" "rfc" "on" "extends" "inner" "depth" "size" "next" "when" "min" "max" "optional" "section" "frags" "priority"
     "chain" "burst" "per" "with" "packet" "expect" "times" "dev" "length" "checksum"
     "lru" "pinned" "no_prealloc" "no_common_lru" "numa_node" "rdonly" "wronly" "rdonly_prog" "wronly_prog" "zero_seed"
     "mmapable" "preserve_elems" "inner_map")
   'symbols)
  "Words that are keywords only where the grammar wants them.")

(defconst xdp--types
  (regexp-opt '("u8" "u16" "u32" "u64" "bool" "ipv4" "ipv6" "mac" "prefix") 'symbols)
  "The types that need no declaration.")

(defconst xdp--literal
  (concat
   "\\_<\\(?:"
   "[0-9][0-9A-Za-z_]*\\(?:\\.[0-9][0-9A-Za-z_]*\\)*\\(?:/[0-9]+\\)?"
   "\\|true\\|false\\)\\_>")
  "Numbers, durations, IPv4 addresses and prefixes.")

(defconst xdp--colon-literal
  "\\(?:^\\|[^0-9A-Za-z_:]\\)\\([0-9A-Fa-f]*\\(?::[0-9A-Fa-f]*\\)\\{2,8\\}\\(?:\\.[0-9]+\\)*\\(?:/[0-9]+\\)?\\)"
  "MAC and IPv6 addresses; the first group is the address.")

(defun xdp--name-p (start end contextual)
  "Whether the word from START to END is a name because of its neighbours.
CONTEXTUAL words are names before a dot, a bracket and an assignment too."
  (save-excursion
    (save-match-data
      (goto-char start)
      (skip-chars-backward " \t")
      (or (and (eq (char-before) ?.) (not (eq (char-before (1- (point))) ?.)))
          (progn
            (goto-char end)
            (skip-chars-forward " \t")
            (or (eq (char-after) ?:)
                (and contextual
                     (looking-at-p
                      "\\.[^.]\\|\\[\\|\\(?:[-+*/%&|^]\\|<<\\|>>\\)?=\\(?:[^=>]\\|$\\)\\|==\\|!="))))))))

(defun xdp--match-control (limit)
  "Find the next reserved word before LIMIT that is none of a name's."
  (xdp--match-word xdp--control nil limit))

(defun xdp--match-contextual (limit)
  "Find the next contextual word before LIMIT that stands as a keyword."
  (xdp--match-word xdp--contextual t limit))

(defun xdp--match-type (limit)
  "Find the next type before LIMIT that isn't a header (`ipv4.saddr')."
  (xdp--match-word xdp--types t limit))

(defun xdp--match-word (words contextual limit)
  "Find the next of WORDS before LIMIT that is no name.
For CONTEXTUAL see `xdp--name-p'."
  (let (found)
    (while (and (not found) (re-search-forward words limit t))
      (setq found (not (xdp--name-p (match-beginning 0) (match-end 0) contextual))))
    found))

(defconst xdp-font-lock-keywords
  (let ((name "\\_<\\([A-Za-z_][A-Za-z0-9_]*\\)"))
    `((,xdp--colon-literal 1 font-lock-constant-face)
      (,xdp--literal . font-lock-constant-face)
      (,(concat "\\_<\\(?:struct\\|header\\)[ \t]+" name) 1 font-lock-type-face)
      (,(concat "\\_<\\(?:fn\\|program\\)[ \t]+" name) 1 font-lock-function-name-face)
      (,(concat "\\_<\\(?:const[ \t]+set\\|set\\|map\\|counter\\|limiter\\|const\\|config\\|var\\|let\\|devmap\\|devmap_hash"
                "\\|cpumap\\|xskmap\\|ringbuf\\|perf\\|prog_array\\)[ \t]+" name)
       1 font-lock-variable-name-face)
      (xdp--match-control . font-lock-keyword-face)
      (xdp--match-contextual . font-lock-keyword-face)
      (xdp--match-type . font-lock-type-face)))
  "What is coloured in packet rules, besides comments and strings.")

(defun xdp-indent-line ()
  "Indent the line by the brackets around it, and a body on a line of its own."
  (interactive)
  (let ((column (xdp--indentation))
        (behind (- (point-max) (point))))
    (indent-line-to column)
    (when (> (- (point-max) behind) (point))
      (goto-char (- (point-max) behind)))))

(defun xdp--indentation ()
  "The column at which the line's text belongs."
  (save-excursion
    (back-to-indentation)
    (let ((state (syntax-ppss)))
      (if (nth 3 state)
          (current-column)
        (let* ((closing (looking-at-p "[])}]"))
               (opening (nth 1 state))
               (base (if opening
                         (+ (xdp--statement-column opening) (if closing 0 xdp-indent-offset))
                       0)))
          (if (and (not closing) (xdp--goes-on-p)) (+ base xdp-indent-offset) base))))))

(defun xdp--statement-column (position)
  "The indentation of the statement in whose first or second line POSITION is."
  (save-excursion
    (goto-char position)
    (back-to-indentation)
    (if (looking-at-p "\\(?:on\\|extends\\|and\\|or\\)\\_>")
        (- (current-column) xdp-indent-offset)
      (current-column))))

(defun xdp--goes-on-p ()
  "Whether this line goes on with a body, a condition or a packet begun above."
  (or (looking-at-p "/\\|\\_<\\(?:and\\|or\\)\\_>")
      (let ((layer (and (looking-at-p "[A-Za-z_][A-Za-z0-9_]*[ \t]*[(/]")
                        (not (looking-at-p "\\(?:expect\\|packet\\)\\_>"))))
            (places (looking-at-p "\\(?:on\\|extends\\)\\_>")))
        (save-excursion
          (forward-comment (- (point)))
          (or (looking-back "=>" (line-beginning-position))
              (looking-back "\\_<\\(?:then\\|else\\|and\\|or\\|not\\|packet\\)" (line-beginning-position))
              (progn
                (back-to-indentation)
                (or (and layer (looking-at-p "expect\\_>"))
                    (and places (looking-at-p "header\\_>")))))))))

;;;###autoload
(define-derived-mode xdp-mode prog-mode "xdp"
  "Major mode for packet rules, which xdpc compiles to XDP programs."
  (setq-local comment-start "# ")
  (setq-local comment-start-skip "#+[ \t]*")
  (setq-local font-lock-defaults '(xdp-font-lock-keywords))
  (setq-local indent-line-function #'xdp-indent-line)
  (setq-local indent-tabs-mode nil)
  (setq-local electric-indent-chars (append "{}])" electric-indent-chars)))

;;;###autoload
(add-to-list 'auto-mode-alist '("\\.xdp\\'" . xdp-mode))

(provide 'xdp-mode)

;;; xdp-mode.el ends here
