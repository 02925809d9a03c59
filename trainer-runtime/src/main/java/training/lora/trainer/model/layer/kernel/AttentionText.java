package training.lora.trainer.model.layer.kernel;

import ai.djl.Device;
import java.util.List;
import java.util.Map;
import training.lora.api.Precision;
import training.lora.trainer.tensor.Processor;
import training.lora.trainer.tensor.Template;

/**
 * TorchScript of f = softmax(q k^T / sqrt(d)) v by heads, forward and backward. In scope are y0 = q (B T, C), y1 = k and
 * y2 = v (B S, C), and x (B, T, C), from which B is read. d = C / heads.
 */
public sealed interface AttentionText
        permits AttentionText.Flash, AttentionText.Products, FlashThenProducts, CardAttentionText {
    /** Lines that make {@code f} (B T, C) and the names of {@link #kept}. */
    String forward();

    /** What the backward wants of the forward pass, beside q, k and v. */
    List<String> kept();

    /** Lines that make {@code f} of {@link #kept}; none where it is kept itself. */
    default String restore() {
        return "";
    }

    /** Lines that make d0, d1 and d2, the gradients of y0, y1 and y2, from {@code df} (B T, C). */
    String backward();

    /** The fastest that {@code device} has in {@code precision}; docs/decisions/0005 has the figures of CPUs. */
    static AttentionText of(Device device, Precision precision, long width, int heads) {
        if (!device.equals(Device.cpu())) {
            return new CardAttentionText(width, heads, false);
        }
        return switch (precision) {
            case Float32 -> new Flash(width, heads, false);
            case BFloat16 -> Processor.hasAmx() ? new FlashThenProducts(width, heads) : new Products(width, heads);
        };
    }

    /** For few tokens, in any precision; {@code causal} as in {@link Flash}. */
    static AttentionText ofFew(Device device, long width, int heads, boolean causal) {
        return device.equals(Device.cpu())
                ? new Flash(width, heads, causal)
                : new CardAttentionText(width, heads, causal);
    }

    /** Rows {@code y} (B S, C) as (B, S, heads, size). */
    static String split(String y, int heads, long size) {
        return Template.fill(
                "torch.reshape({y}, [torch.size(x, 0), -1, {heads}, {size}])",
                Map.of("y", y, "heads", heads, "size", size));
    }

    /**
     * libtorch's kernel for CPUs (Dao et al. 2022), which never holds more of the T x S products than a tile.
     *
     * @param causal whether a token sees only itself and those before it
     */
    record Flash(long width, int heads, boolean causal) implements AttentionText {
        @Override
        public String forward() {
            return Template.fill("""
                    o, l = torch._scaled_dot_product_flash_attention_for_cpu({q}, {k}, {v}, 0., {causal})
                    """, Map.of("q", heads("y0"), "k", heads("y1"), "v", heads("y2"), "causal", causes()))
                    + restore();
        }

        @Override
        public List<String> kept() {
            return List.of("o", "l");
        }

        @Override
        public String restore() {
            return "f = " + rows("o") + "\n";
        }

        @Override
        public String backward() {
            return Template.fill(
                    """
                    e0, e1, e2 = torch._scaled_dot_product_flash_attention_for_cpu_backward({df}, {q}, {k}, {v}, o, l, 0., {causal})
                    d0 = {d0}
                    d1 = {d1}
                    d2 = {d2}
                    """,
                    Map.of(
                            "df",
                            heads("df"),
                            "q",
                            heads("y0"),
                            "k",
                            heads("y1"),
                            "v",
                            heads("y2"),
                            "causal",
                            causes(),
                            "d0",
                            rows("e0"),
                            "d1",
                            rows("e1"),
                            "d2",
                            rows("e2")));
        }

        private String causes() {
            return causal ? "True" : "False";
        }

        private String heads(String y) {
            return "torch.transpose(%s, 1, 2)".formatted(split(y, heads, width / heads));
        }

        private String rows(String e) {
            return "torch.reshape(torch.transpose(%s, 1, 2), [-1, %d])".formatted(e, width);
        }
    }

    /**
     * Plain matrix products, so many heads or rows of queries at a time that the products stay in the cache. Their sizes
     * let them run at nearly the processor's speed, where the flash kernel's tiles of bf16 don't.
     *
     * <p>The products are rounded to bf16 before the softmax. Two things keep that harmless: the keys' mean is taken off,
     * which changes no softmax but makes the products small (Zhang et al. 2024, SageAttention), and dP - rowsum(dP P),
     * the softmax's backward, comes out of one product, whose last columns hold the row sums as high and low half.
     */
    record Products(long width, int heads) implements AttentionText {
        /** Numbers in the products of a tile: 4 MiB of bf16. */
        private static final int TILE = 1 << 21;

        @Override
        public String forward() {
            return Template.fill("""
                    hq = {q}
                    hv = {v}
                    """, Map.of("q", heads("y0"), "v", heads("y2"))) + keys() + """
                    ho = torch.empty_like(hq)
                    """
                    + tiles("hq", "hk", """
                      hqi = torch.slice(torch.slice(hq, 0, h0, h1), 1, t0, t1)
                      hp = torch.softmax(torch.bmm(hqi, torch.slice(hkt, 0, h0, h1)), -1)
                      _0 = torch.copy_(torch.slice(torch.slice(ho, 0, h0, h1), 1, t0, t1), torch.bmm(hp, torch.slice(hv, 0, h0, h1)))
                    """) + "f = " + rows("ho")
                    + "\n";
        }

        @Override
        public List<String> kept() {
            return List.of("f");
        }

        @Override
        public String backward() {
            return Template.fill("""
                    hq = {q}
                    hd = {df}
                    hv = torch.transpose(torch.constant_pad_nd({v}, [0, 2], 1.), 1, 2)
                    """, Map.of("q", heads("y0"), "df", heads("df"), "v", heads("y2")))
                    + keys()
                    + Template.fill("""
                    hs = torch.neg(torch.sum(torch.mul(torch.to({f}, 6), hd), [-1], True))
                    hsh = torch.type_as(hs, hd)
                    hsl = torch.type_as(torch.sub(hs, hsh), hd)
                    hds = torch.cat([hd, hsh, hsl], -1)
                    e0 = torch.empty_like(hq)
                    e1 = torch.zeros_like(hk, dtype=6)
                    e2 = torch.zeros_like(hk, dtype=6)
                    """, Map.of("f", heads("f")))
                    + tiles("hq", "hk", """
                      hqi = torch.slice(torch.slice(hq, 0, h0, h1), 1, t0, t1)
                      hp = torch.softmax(torch.bmm(hqi, torch.slice(hkt, 0, h0, h1)), -1)
                      hdi = torch.slice(torch.slice(hd, 0, h0, h1), 1, t0, t1)
                      _2 = torch.add_(torch.slice(e2, 0, h0, h1), torch.bmm(torch.transpose(hp, 1, 2), hdi))
                      hdsi = torch.slice(torch.slice(hds, 0, h0, h1), 1, t0, t1)
                      hg = torch.mul_(torch.bmm(hdsi, torch.slice(hv, 0, h0, h1)), hp)
                      _0 = torch.copy_(torch.slice(torch.slice(e0, 0, h0, h1), 1, t0, t1), torch.bmm(hg, torch.slice(hk, 0, h0, h1)))
                      _1 = torch.add_(torch.slice(e1, 0, h0, h1), torch.bmm(torch.transpose(hg, 1, 2), hqi))
                    """)
                    + Template.fill(
                            """
                    d0 = {d0}
                    d1 = {d1}
                    d2 = {d2}
                    """,
                            Map.of(
                                    "d0",
                                    rows("e0"),
                                    "d1",
                                    rows("torch.type_as(torch.mul_(e1, %s), hd)".formatted(scale())),
                                    "d2",
                                    rows("torch.type_as(e2, hd)")));
        }

        /**
         * {@code hk}: keys less their mean, scaled, so that they are rounded just once; {@code hkt}: transposed; {@code
         * hkm}: the scaled mean, fp32.
         */
        String keys() {
            return Template.fill("""
                    hkf = torch.mul(torch.to({k}, 6), {scale})
                    hkm = torch.mean(hkf, [1], True)
                    hk = torch.type_as(torch.sub(hkf, hkm), hq)
                    hkt = torch.transpose(hk, 1, 2)
                    """, Map.of("k", heads("y1"), "scale", scale()));
        }

        double scale() {
            return 1 / Math.sqrt((double) width / heads);
        }

        /**
         * Runs {@code body} over heads h0 to h1 and rows t0 to t1 of {@code part}: several heads at a time if they are
         * small, else some rows of one, with all rows of {@code whole}. A slice may end behind the last.
         */
        static String tiles(String part, String whole, String body) {
            return Template.fill("""
                    hb = torch.size({part}, 0)
                    ht = torch.size({part}, 1)
                    hu = torch.size({whole}, 1)
                    hn = ops.prim.max(1, torch.floordiv({tile}, torch.mul(ht, hu)))
                    tn = ops.prim.max(1, ops.prim.min(ht, torch.floordiv({tile}, torch.mul(hn, hu))))
                    for i in range(torch.floordiv(torch.sub(torch.add(hb, hn), 1), hn)):
                     h0 = torch.mul(i, hn)
                     h1 = torch.add(h0, hn)
                     for j in range(torch.floordiv(torch.sub(torch.add(ht, tn), 1), tn)):
                      t0 = torch.mul(j, tn)
                      t1 = torch.add(t0, tn)
                    """, Map.of("tile", TILE, "part", part, "whole", whole)) + body;
        }

        String heads(String y) {
            return "torch.contiguous(torch.flatten(torch.transpose(%s, 1, 2), 0, 1))"
                    .formatted(split(y, heads, width / heads));
        }

        String rows(String e) {
            return Template.fill(
                    "torch.reshape(torch.transpose(torch.reshape({e}, [torch.size(x, 0), {heads}, -1, {size}]), 1, 2), [-1, {width}])",
                    Map.of("e", e, "heads", heads, "size", width / heads, "width", width));
        }
    }
}
