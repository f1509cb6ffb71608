// Quotes of the official SDKs for states given as bytes: reads JSON, prints JSON, asks nobody else.
//
// In:  {accounts: [[owner, lamports, base64], …], states: [{address: index in accounts}, …],
//       cases: [{venue, pool, state, slot, time, epoch, kind, input, amount, limit, arrays}, …]}
// Out: one [amount, …] per case: what the case does not name (of "partial" both, input first), as
//      decimal strings; or {error}.
//
// Each SDK gets what it would have fetched. None is given a connection that could reach anything.
"use strict";

const { AnchorProvider, Program } = require("@coral-xyz/anchor");
const amm = require("@raydium-io/raydium-sdk-v2");
const cpAmm = require("@meteora-ag/cp-amm-sdk");
const dlmm = require("@meteora-ag/dlmm");
const dynamic = require("@meteora-ag/dynamic-amm-sdk");
const { calculateEpochFee, getTransferFeeConfig, unpackMint } = require("@solana/spl-token");
const { Connection, PublicKey } = require("@solana/web3.js");
const BN = require("bn.js");

const NOWHERE = new Connection("http://127.0.0.1:1");
const KEYS = new Map();
const key = (text) => KEYS.get(text) ?? KEYS.set(text, new PublicKey(text)).get(text);
const atoms = (data) => new BN(data.subarray(64, 72), "le");

class State {
  constructor(accounts, addresses) {
    this.accounts = accounts;
    this.addresses = addresses;
  }

  has(address) {
    return address.toString() in this.addresses;
  }

  info(address) {
    const text = address.toString();
    if (!this.has(text)) throw new Error(`no account ${text}`);
    const [owner, lamports, data] = this.accounts[this.addresses[text]];
    return { owner: key(owner), lamports, data: Buffer.from(data, "base64"), executable: false };
  }

  data(address) {
    return this.info(address).data;
  }

  mint(address) {
    const info = this.info(address);
    return unpackMint(address, info, info.owner);
  }
}

// Anchor's newer coder leaves names as the IDL has them; the quote functions want the others.
function camel(value) {
  if (value === null || typeof value !== "object" || BN.isBN(value) || value instanceof PublicKey)
    return value;
  if (Array.isArray(value)) return value.map(camel);
  return Object.fromEntries(
    Object.entries(value).map(([name, of]) => [
      name.replace(/_([a-z0-9])/g, (_, letter) => letter.toUpperCase()),
      camel(of),
    ]),
  );
}

// -- Raydium -------------------------------------------------------------------------------------

// The Raydium SDK's pure functions know no transfer fees; those of the token program's own client.
function withoutFee(state, mint, epoch, amount) {
  if (!state.has(mint)) return amount;
  const config = getTransferFeeConfig(state.mint(mint));
  if (config === null) return amount;
  return amount.sub(new BN(calculateEpochFee(config, BigInt(epoch), BigInt(amount)).toString()));
}

// AMM v4's functions are methods of it. It loads no token list.
let raydium;
async function ammV4(state, one) {
  raydium ??= await amm.Raydium.load({
    connection: NOWHERE,
    disableFeatureCheck: true,
    disableLoadToken: true,
  });
  const pool = amm.liquidityStateV4Layout.decode(state.data(one.pool));
  const poolInfo = {
    version: 4,
    mintA: { address: pool.baseMint.toString(), decimals: pool.baseDecimal.toNumber() },
    mintB: { address: pool.quoteMint.toString(), decimals: pool.quoteDecimal.toNumber() },
    baseReserve: atoms(state.data(pool.baseVault)).sub(pool.baseNeedTakePnl),
    quoteReserve: atoms(state.data(pool.quoteVault)).sub(pool.quoteNeedTakePnl),
  };
  const isBase = one.input === poolInfo.mintA.address;
  const [mintIn, mintOut] = isBase
    ? [poolInfo.mintA.address, poolInfo.mintB.address]
    : [poolInfo.mintB.address, poolInfo.mintA.address];
  const asked = { poolInfo, mintIn, mintOut, slippage: 0 };
  const amount = new BN(one.amount);
  if (one.kind === "exact_in")
    return [raydium.liquidity.computeAmountOut({ ...asked, amountIn: amount }).amountOut];
  return [raydium.liquidity.computeAmountIn({ ...asked, amountOut: amount }).amountIn];
}

function cpmm(state, one) {
  const pool = amm.CpmmPoolInfoLayout.decode(state.data(one.pool));
  const config = amm.CpmmConfigInfoLayout.decode(state.data(pool.configId));
  const reserves = [
    atoms(state.data(pool.vaultA))
      .sub(pool.protocolFeesMintA)
      .sub(pool.fundFeesMintA)
      .sub(pool.creatorFeesMintA),
    atoms(state.data(pool.vaultB))
      .sub(pool.protocolFeesMintB)
      .sub(pool.fundFeesMintB)
      .sub(pool.creatorFeesMintB),
  ];
  const isA = one.input === pool.mintA.toString();
  const mints = isA ? [pool.mintA, pool.mintB] : [pool.mintB, pool.mintA];
  if (!isA) reserves.reverse();
  const onInput = pool.feeOn === 0 || (pool.feeOn === 1) === isA;
  const rates = [
    config.tradeFeeRate,
    pool.enableCreatorFee ? config.creatorFeeRate : new BN(0),
    config.protocolFeeRate,
    config.fundFeeRate,
    onInput,
  ];
  const { CurveCalculator: curve } = amm;
  if (one.kind === "exact_in") {
    const net = withoutFee(state, mints[0], one.epoch, new BN(one.amount));
    const paid = curve.swapBaseInput(net, ...reserves, ...rates).outputAmount;
    return [withoutFee(state, mints[1], one.epoch, paid)];
  }
  return [curve.swapBaseOutput(new BN(one.amount), ...reserves, ...rates).inputAmount];
}

function clmm(state, one) {
  const programId = state.info(one.pool).owner;
  const poolInfo = amm.PoolInfoLayout.decode(state.data(one.pool));
  const zeroForOne = one.input === poolInfo.mintA.toString();
  const mints = zeroForOne
    ? [poolInfo.mintA, poolInfo.mintB]
    : [poolInfo.mintB, poolInfo.mintA];
  const isBaseInput = one.kind === "exact_in";
  let amount = new BN(one.amount);
  if (isBaseInput) amount = withoutFee(state, mints[0], one.epoch, amount);
  const found = amm.swapInternal({
    programId,
    poolId: key(one.pool),
    poolInfo,
    // Matching orders changes them: decoded anew for each quote.
    tickArrays: one.arrays.map((address) => ({
      address: key(address),
      value: amm.TickArrayLayout.decode(state.data(address)),
    })),
    configInfo: amm.ClmmConfigLayout.decode(state.data(poolInfo.configId)),
    tickarrayBitmapExtension: undefined,
    amountSpecified: amount,
    sqrtPriceLimitX64: new BN(one.limit),
    zeroForOne,
    isBaseInput,
    blockTimestamp: one.time,
    includeExtraTickArrays: false,
  });
  if (!found.allTrade) throw new Error("the arrays end");
  const calculated = found.amountCalculated;
  return [isBaseInput ? withoutFee(state, mints[1], one.epoch, calculated) : calculated];
}

// -- Meteora -------------------------------------------------------------------------------------

function dammV2(state, one) {
  const pool = camel(cpAmm.cpAmmCoder.accounts.decode("Pool", state.data(one.pool)));
  const aToB = one.input === pool.tokenAMint.toString();
  const point = new BN(pool.activationType === 0 ? one.slot : one.time);
  const info = (mint) =>
    state.has(mint) && getTransferFeeConfig(state.mint(mint)) !== null
      ? { mint: state.mint(mint), currentEpoch: one.epoch }
      : undefined;
  const infos = [info(pool.tokenAMint), info(pool.tokenBMint)];
  if (!aToB) infos.reverse();
  const asked = [pool, point, new BN(one.amount), 0, aToB, false, 9, 6, ...infos];
  if (one.kind === "exact_out") return [cpAmm.swapQuoteExactOutput(...asked).maximumAmountIn];
  if (one.kind === "exact_in") return [cpAmm.swapQuoteExactInput(...asked).minimumAmountOut];
  return [cpAmm.swapQuotePartialInput(...asked).minimumAmountOut];
}

const dlmmProgram = new Program(dlmm.IDL, new AnchorProvider(NOWHERE, {}, {}));

function bins(state, one) {
  const { coder } = dlmmProgram;
  const DLMM = dlmm.default ?? dlmm;
  const pair = Object.create(DLMM.prototype);
  pair.pubkey = key(one.pool);
  pair.lbPair = coder.accounts.decode("lbPair", state.data(one.pool));
  pair.clock = { epoch: new BN(one.epoch), unixTimestamp: new BN(one.time), slot: new BN(one.slot) };
  const token = (mint) => ({
    mint: state.has(mint) ? state.mint(mint) : { address: mint, tlvData: Buffer.alloc(0) },
  });
  pair.tokenX = token(pair.lbPair.tokenXMint);
  pair.tokenY = token(pair.lbPair.tokenYMint);
  pair.binArrayBitmapExtension = null;
  const arrays = [];
  for (const address of Object.keys(state.addresses)) {
    const { data, owner } = state.info(address);
    if (!owner.equals(dlmmProgram.programId)) continue;
    const at = data.subarray(0, 8);
    if (at.equals(dlmmSeals.binArray))
      arrays.push({ publicKey: key(address), account: coder.accounts.decode("binArray", data) });
    else if (at.equals(dlmmSeals.binArrayBitmapExtension))
      pair.binArrayBitmapExtension = {
        publicKey: key(address),
        account: coder.accounts.decode("binArrayBitmapExtension", data),
      };
  }
  const swapForY = one.input === pair.lbPair.tokenXMint.toString();
  const now = Date.now;
  Date.now = () => one.time * 1000;
  try {
    const amount = new BN(one.amount);
    if (one.kind === "exact_out")
      return [pair.swapQuoteExactOut(amount, swapForY, new BN(0), arrays).inAmount];
    return [pair.swapQuote(amount, swapForY, new BN(0), arrays, false).outAmount];
  } finally {
    Date.now = now;
  }
}

const dlmmSeals = Object.fromEntries(
  dlmmProgram.idl.accounts.map(({ name, discriminator }) => [name, Buffer.from(discriminator)]),
);

const { BorshCoder: OlderCoder } = require(
  require.resolve("@coral-xyz/anchor", {
    paths: [require.resolve("@meteora-ag/dynamic-amm-sdk")],
  }),
);
const poolCoder = new OlderCoder(dynamic.AmmIdl);
const vaultCoder = new OlderCoder(dynamic.VaultIdl);

function dammV1(state, one) {
  const poolState = poolCoder.accounts.decode("pool", state.data(one.pool));
  const vaults = [poolState.aVault, poolState.bVault].map((vault) =>
    vaultCoder.accounts.decode("vault", state.data(vault)),
  );
  const supplies = vaults.map((vault) => new BN(state.data(vault.lpMint).subarray(36, 44), "le"));
  const depegAccounts = new Map();
  for (const address of Object.keys(state.addresses)) depegAccounts.set(address, state.info(address));
  const found = dynamic.calculateSwapQuote(key(one.input), new BN(one.amount), {
    poolState,
    vaultA: vaults[0],
    vaultB: vaults[1],
    poolVaultALp: atoms(state.data(poolState.aVaultLp)),
    poolVaultBLp: atoms(state.data(poolState.bVaultLp)),
    vaultALpSupply: supplies[0],
    vaultBLpSupply: supplies[1],
    vaultAReserve: atoms(state.data(vaults[0].tokenVault)),
    vaultBReserve: atoms(state.data(vaults[1].tokenVault)),
    currentTime: one.time,
    currentSlot: one.slot,
    depegAccounts,
  });
  return [found.amountOut];
}

// ------------------------------------------------------------------------------------------------

const VENUES = {
  raydium_amm_v4: ammV4,
  raydium_cpmm: cpmm,
  raydium_clmm: clmm,
  meteora_damm_v2: dammV2,
  meteora_dlmm: bins,
  meteora_damm_v1: dammV1,
};

async function main() {
  const chunks = [];
  for await (const chunk of process.stdin) chunks.push(chunk);
  const { accounts, states, cases } = JSON.parse(Buffer.concat(chunks).toString());
  const loaded = states.map((addresses) => new State(accounts, addresses));
  const found = [];
  for (const one of cases) {
    try {
      const amounts = await VENUES[one.venue](loaded[one.state], one);
      found.push(amounts.map((amount) => amount.toString()));
    } catch (error) {
      found.push({ error: String(error.message ?? error) });
    }
  }
  process.stdout.write(JSON.stringify(found));
}

main();
