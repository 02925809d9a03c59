package training.lora.trainer.model.layer.kernel;

import java.util.List;
import java.util.Map;
import training.lora.trainer.tensor.Template;

/**
 * Forward by libtorch's kernel, backward by plain matrix products: the fastest of bf16 where the processor has AMX.
 *
 * <p>The backward makes P^T = exp(K Q^T - l), l being the kernel's log-sum-exp, so no row needs a softmax; a tile holds
 * some keys and all queries. Transposed so, just one of the three products of a tile's gradients reads it across. The
 * factor exp(-l) of a query lies in its row of dO and dO O, not in P, whose exponents stay small and so keep their digits
 * in bf16: what they exceed {@link #GREATEST} by is taken off by the product itself.
 */
record FlashThenProducts(long width, int heads) implements AttentionText {
    /** Below the greatest exponent of fp32 and bf16, 88, and above any that is common. */
    private static final double GREATEST = 30;

    private Flash flash() {
        return new Flash(width, heads, false);
    }

    @Override
    public String forward() {
        return flash().forward();
    }

    @Override
    public List<String> kept() {
        return flash().kept();
    }

    @Override
    public String restore() {
        return flash().restore();
    }

    @Override
    public String backward() {
        Products products = new Products(width, heads);
        return Template.fill(
                        """
                hq = {q}
                hdf = torch.to({df}, 6)
                hv = torch.constant_pad_nd({v}, [0, 2], 1.)
                """, Map.of("q", products.heads("y0"), "df", products.heads("df"), "v", products.heads("y2")))
                + products.keys()
                + Template.fill("""
                hl = torch.sub(torch.reshape(l, [-1, torch.size(hq, 1), 1]), torch.sum(torch.mul(hq, hkm), [-1], True))
                hr = torch.neg(torch.clamp_min(torch.sub(hl, {greatest}), 0.))
                hrh = torch.type_as(hr, hq)
                hrl = torch.type_as(torch.sub(hr, hrh), hq)
                hqt = torch.transpose(torch.cat([hq, hrh, hrl], -1), 1, 2)
                hka = torch.constant_pad_nd(hk, [0, 2], 1.)
                hdw = torch.mul(hdf, torch.exp(torch.neg(torch.add(torch.add(hl, hrh), hrl))))
                hd = torch.type_as(hdw, hq)
                hs = torch.neg(torch.sum(torch.mul(torch.flatten(o, 0, 1), hdw), [-1], True))
                hsh = torch.type_as(hs, hd)
                hsl = torch.type_as(torch.sub(hs, hsh), hd)
                hdt = torch.transpose(torch.cat([hd, hsh, hsl], -1), 1, 2)
                e0 = torch.zeros_like(torch.transpose(hq, 1, 2), dtype=6, memory_format=0)
                e1 = torch.empty_like(hk)
                e2 = torch.empty_like(hk)
                """, Map.of("greatest", GREATEST))
                + Products.tiles("hk", "hq", """
                  hki = torch.slice(torch.slice(hka, 0, h0, h1), 1, t0, t1)
                  hp = torch.exp_(torch.bmm(hki, torch.slice(hqt, 0, h0, h1)))
                  _0 = torch.copy_(torch.slice(torch.slice(e2, 0, h0, h1), 1, t0, t1), torch.bmm(hp, torch.slice(hd, 0, h0, h1)))
                  hvi = torch.slice(torch.slice(hv, 0, h0, h1), 1, t0, t1)
                  hg = torch.mul_(torch.bmm(hvi, torch.slice(hdt, 0, h0, h1)), hp)
                  _1 = torch.copy_(torch.slice(torch.slice(e1, 0, h0, h1), 1, t0, t1), torch.bmm(hg, torch.slice(hq, 0, h0, h1)))
                  hkti = torch.slice(torch.slice(hkt, 0, h0, h1), 2, t0, t1)
                  _2 = torch.add_(torch.slice(e0, 0, h0, h1), torch.bmm(hkti, hg))
                """)
                + Template.fill(
                        """
                d0 = {d0}
                d1 = {d1}
                d2 = {d2}
                """,
                        Map.of(
                                "d0",
                                products.rows("torch.type_as(torch.transpose(e0, 1, 2), hd)"),
                                "d1",
                                products.rows("torch.mul_(e1, %s)".formatted(products.scale())),
                                "d2",
                                products.rows("e2")));
    }
}
