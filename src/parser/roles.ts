// Which part a word plays where it stands. The scanner sees only words; this pass gives each its token type from the
// word itself and its two neighbours, so that the grammar needs one token of lookahead and hardly any reserved word:
// after a dot or before a colon any word is a name. Pure; knows nothing of rules.

import type { IToken, TokenType } from "chevrotain";
import {
  Arrow,
  AssignOperatorToken,
  Colon,
  Comma,
  contextualWordTypes,
  Dev,
  Dot,
  Else,
  ElseArm,
  ElseBeforeIf,
  Equals,
  Greater,
  IdentifierToken,
  Inner,
  LabelToken,
  LeftBrace,
  LeftBracket,
  LeftParen,
  Less,
  LiteralToken,
  MapAttributeToken,
  OrFallback,
  Redirect,
  RightBrace,
  RightBracket,
  RightParen,
  reservedWordTypes,
  Semicolon,
  StringToken,
  TargetKindToken,
  UpdateOperator,
  VerdictToken,
  WordToken,
} from "./tokens.ts";

/** Sets the type of each word in `tokens` in place and splits `>>` where it closes two types' arguments. */
export function assignRoles(tokens: readonly IToken[]): IToken[] {
  const result: IToken[] = [];
  // How many types' `<` are open, and how many `[` inside them, where signs are operators again.
  let angles = 0;
  let brackets = 0;
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i] as IToken;
    const type = token.tokenType;
    if (type === WordToken) {
      const attribute = isAttribute(tokens, i);
      retype(token, attribute ? MapAttributeToken : roleOf(token.image, tokens[i - 1], tokens[i + 1], tokens[i + 2]));
    } else if (token.image === "||" && isVerdict(tokens[i + 1], tokens[i + 2])) {
      retype(token, OrFallback);
    } else if (type === Less && brackets === 0) {
      if (opensTypeArguments(tokens, i)) angles += 1;
    } else if (angles > 0 && brackets === 0 && CLOSING_ANGLES.has(token.image)) {
      if (token.image === ">>" && angles > 1) {
        result.push(part(token, 0, Greater), part(token, 1, Greater));
        angles -= 2;
        continue;
      }
      angles = token.image === ">>" ? 0 : angles - 1;
      if (token.image === ">=") {
        result.push(part(token, 0, Greater), part(token, 1, Equals));
        continue;
      }
    } else if (angles > 0) {
      if (type === LeftBracket) brackets += 1;
      else if (type === RightBracket) brackets = Math.max(0, brackets - 1);
      else if (brackets === 0 && type !== Comma && type !== LeftParen && type !== RightParen) angles = 0;
      if (type === LeftBrace || type === RightBrace || type === Semicolon) {
        angles = 0;
        brackets = 0;
      }
    }
    result.push(token);
  }
  return result;
}

/** What a device's index can begin with, besides a name. */
const DEVICE_STARTS: ReadonlySet<TokenType> = new Set([StringToken, LiteralToken, LeftParen, LeftBrace]);
const CLOSING_ANGLES = new Set([">", ">>", ">="]);

function roleOf(
  word: string,
  before: IToken | undefined,
  after: IToken | undefined,
  second: IToken | undefined,
): TokenType {
  if (before?.tokenType === Dot) return IdentifierToken;
  const next = after?.tokenType;
  if (next === Colon) return LabelToken;
  const reserved = reservedWordTypes.get(word);
  if (reserved !== undefined) {
    if (reserved === Else) return after?.image === "if" ? ElseBeforeIf : next === Arrow ? ElseArm : Else;
    return word === "or" && isVerdict(after, second) ? OrFallback : reserved;
  }
  if (before?.tokenType === Dev) return IdentifierToken;
  const contextual = contextualWordTypes.get(word);
  if (contextual === undefined || next === Dot || next === LeftBracket || isAssignment(next)) return IdentifierToken;
  if (contextual === Dev) return before?.tokenType === Redirect && namesDevice(after) ? Dev : IdentifierToken;
  if (contextual === Inner) return next === WordToken ? Inner : IdentifierToken;
  return contextual;
}

/** Whether a map's attribute stands there before its contents (`prog_array stages[8] pinned = { … }`), where else a name would. */
function isAttribute(tokens: readonly IToken[], at: number): boolean {
  const { image, tokenType } = tokens[at] as IToken;
  if (tokenType !== WordToken || contextualWordTypes.get(image) !== MapAttributeToken) return false;
  if (tokens[at + 1]?.tokenType !== Equals || tokens[at + 2]?.tokenType !== LeftBrace) return false;
  const before = tokens[at - 1]?.tokenType;
  const named = tokens[at - 2]?.tokenType.CATEGORIES?.includes(TargetKindToken) === true;
  return before === RightBracket || before === MapAttributeToken || named;
}

/** Whether a device's name or number follows `redirect dev`: else `dev` is a map. */
function namesDevice(after: IToken | undefined): boolean {
  if (after === undefined) return false;
  const reserved = reservedWordTypes.get(after.image);
  if (after.tokenType === WordToken) return reserved === undefined || reserved === LiteralToken;
  return DEVICE_STARTS.has(after.tokenType);
}

/** Whether a verdict word follows, which makes `or` and `||` a fallback. */
function isVerdict(after: IToken | undefined, second: IToken | undefined): boolean {
  return after !== undefined && reservedWordTypes.get(after.image) === VerdictToken && second?.tokenType !== Colon;
}

function isAssignment(type: TokenType | undefined): boolean {
  return type === Equals || type === UpdateOperator || type === AssignOperatorToken;
}

function opensTypeArguments(tokens: readonly IToken[], at: number): boolean {
  return tokens[at - 1]?.image === "prefix" || (tokens[at - 4]?.image === "map" && tokens[at - 2]?.tokenType === Colon);
}

function retype(token: IToken, type: TokenType): void {
  token.tokenType = type;
  token.tokenTypeIdx = type.tokenTypeIdx ?? 0;
  if (type === LiteralToken) token.payload = { kind: "bool", value: token.image === "true" };
}

function part(token: IToken, index: 0 | 1, type: TokenType): IToken {
  const offset = token.startOffset + index;
  const half = { ...token, image: token.image[index] ?? "", startOffset: offset, endOffset: offset };
  retype(half, type);
  return half;
}
