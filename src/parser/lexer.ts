// Text to tokens: chevrotain's lexer scans coarse runs, literals.ts judges them, roles.ts tells keywords from names.
// What is wrong with a token is said here and the token kept, so that the parser doesn't stumble over it again. Knows
// nothing of rules.

import { type IToken, Lexer } from "chevrotain";
import type { Diagnostic } from "../base/diagnostic.ts";
import type { SourceFile, Span } from "../base/source.ts";
import { type LiteralValue, readColonLiteral, readDashedMac, readDigitLiteral, readString } from "./literals.ts";
import * as messages from "./messages.ts";
import { MAX_FAULTS } from "./recovery.ts";
import { assignRoles } from "./roles.ts";
import {
  ColonLiteralToken,
  DashedMacToken,
  ForeignCommentToken,
  LiteralToken,
  SingleQuotedToken,
  StringToken,
  scannedTokens,
  WordToken,
} from "./tokens.ts";

/** What a literal's token carries: its value, or null where it is faulty and has been complained about. */
export type LiteralPayload = LiteralValue | null;

/** What a string's token carries: its value with escapes resolved. */
export type StringPayload = string;

/** Makes the scanner; costs some milliseconds, so it is made once (see parse.ts). */
export function createLexer(skipValidations: boolean): Lexer {
  return new Lexer(scannedTokens, {
    positionTracking: "onlyOffset",
    ensureOptimizations: true,
    skipValidations,
    // The message is worded later, from the text itself.
    errorMessageProvider: {
      buildUnexpectedCharactersMessage: () => "",
      buildUnableToPopLexerModeMessage: () => "",
    },
  });
}

/** Splits `source` into the parser's tokens; faults are added to `diagnostics` and never stop it. */
export function tokenize(lexer: Lexer, source: SourceFile, diagnostics: Diagnostic[]): IToken[] {
  const scanned = lexer.tokenize(source.text);
  // Of a file that isn't text, the first faults are enough; parse.ts says that there are more.
  for (const error of scanned.errors.slice(0, MAX_FAULTS + 1)) {
    diagnostics.push(messages.unexpectedCharacters(spanOf(source, error.offset, error.offset + error.length)));
  }
  const tokens: IToken[] = [];
  for (const token of scanned.tokens) {
    if (token.tokenType === ForeignCommentToken) {
      if (diagnostics.length < 2 * MAX_FAULTS) diagnostics.push(messages.foreignComment(tokenSpan(source, token)));
    } else {
      // Chevrotain leaves this out when only offsets are tracked, yet its trees' places are made from it.
      token.endOffset = token.startOffset + token.image.length - 1;
      judge(token, source, diagnostics);
      tokens.push(token);
    }
  }
  return assignRoles(tokens);
}

/** The span of a token; chevrotain's end is inclusive, ours isn't. */
export function tokenSpan(file: SourceFile, token: IToken): Span {
  return { file, start: token.startOffset, end: token.startOffset + token.image.length };
}

function judge(token: IToken, source: SourceFile, diagnostics: Diagnostic[]): void {
  const { image } = token;
  switch (token.tokenType) {
    case LiteralToken:
      setLiteral(token, readDigitLiteral(image), source, diagnostics);
      break;
    case ColonLiteralToken:
      setLiteral(token, readColonLiteral(image), source, diagnostics);
      break;
    case DashedMacToken:
      setLiteral(token, readDashedMac(image), source, diagnostics);
      break;
    case SingleQuotedToken:
      diagnostics.push(messages.singleQuotes(tokenSpan(source, token)));
      setType(token, StringToken);
      token.payload = image.slice(1, -1) satisfies StringPayload;
      break;
    case StringToken: {
      const { value, faults } = readString(image);
      token.payload = value satisfies StringPayload;
      for (const fault of faults) {
        const at = token.startOffset;
        diagnostics.push(messages.badString(fault, spanOf(source, at + fault.start, at + fault.end)));
      }
      break;
    }
    case WordToken:
      if (/[^\w]/.test(image)) diagnostics.push(messages.foreignLetters(tokenSpan(source, token)));
      break;
    default:
  }
}

function setLiteral(
  token: IToken,
  result: ReturnType<typeof readDigitLiteral>,
  source: SourceFile,
  diagnostics: Diagnostic[],
): void {
  setType(token, LiteralToken);
  if (result.kind === "fault") {
    diagnostics.push(messages.badLiteral(result, tokenSpan(source, token)));
    token.payload = null satisfies LiteralPayload;
  } else {
    token.payload = result satisfies LiteralPayload;
  }
}

function setType(token: IToken, type: typeof LiteralToken): void {
  token.tokenType = type;
  token.tokenTypeIdx = type.tokenTypeIdx ?? 0;
}

function spanOf(file: SourceFile, start: number, end: number): Span {
  return { file, start, end };
}
