package training.lora.trainer.model;

import ai.djl.Device;
import java.util.List;
import training.lora.api.Precision;
import training.lora.trainer.tensor.Processor;

/**
 * TorchScript of f = softmax(q k^T / sqrt(d)) v by heads, forward and backward. In scope are y0 = q (B T, C), y1 = k and
 * y2 = v (B S, C), and x (B, T, C), from which B is read. d = C / heads.
 */
sealed interface AttentionText
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

    /**
     * libtorch's kernel for CPUs (Dao et al. 2022), which never holds more of the T x S products than a tile.
     *
     * @param causal whether a token sees only itself and those before it
     */
    record Flash(long width, int heads, boolean causal) implements AttentionText {
        @Override
        public String forward() {
            return """
                    o, l = torch._scaled_dot_product_flash_attention_for_cpu(%s, %s, %s, 0., %s)
                    """.formatted(heads("y0"), heads("y1"), heads("y2"), causes()) + restore();
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
            return """
                    e0, e1, e2 = torch._scaled_dot_product_flash_attention_for_cpu_backward(%s, %s, %s, %s, o, l, 0., %s)
                    d0 = %s
                    d1 = %s
                    d2 = %s
                    """.formatted(
                    heads("df"), heads("y0"), heads("y1"), heads("y2"), causes(), rows("e0"), rows("e1"), rows("e2"));
        }

        private String causes() {
            return causal ? "True" : "False";
        }

        private String heads(String y) {
            return "torch.transpose(torch.reshape(%s, [torch.size(x, 0), -1, %d, %d]), 1, 2)"
                    .formatted(y, heads, width / heads);
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
            return """
                    hq = %s
                    hv = %s
                    """.formatted(heads("y0"), heads("y2")) + keys() + """
                    ho = torch.empty_like(hq)
                    """ + tiles("hq", "hk", """
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
            return """
                    hq = %s
                    hd = %s
                    hv = torch.transpose(torch.constant_pad_nd(%s, [0, 2], 1.), 1, 2)
                    """.formatted(heads("y0"), heads("df"), heads("y2"))
                    + keys()
                    + """
                    hs = torch.neg(torch.sum(torch.mul(torch.to(%s, 6), hd), [-1], True))
                    hsh = torch.type_as(hs, hd)
                    hsl = torch.type_as(torch.sub(hs, hsh), hd)
                    hds = torch.cat([hd, hsh, hsl], -1)
                    e0 = torch.empty_like(hq)
                    e1 = torch.zeros_like(hk, dtype=6)
                    e2 = torch.zeros_like(hk, dtype=6)
                    """.formatted(heads("f"))
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
                    + """
                    d0 = %s
                    d1 = %s
                    d2 = %s
                    """.formatted(
                                    rows("e0"),
                                    rows("torch.type_as(torch.mul_(e1, %s), hd)".formatted(scale())),
                                    rows("torch.type_as(e2, hd)"));
        }

        /**
         * {@code hk}: keys less their mean, scaled, so that they are rounded just once; {@code hkt}: transposed; {@code
         * hkm}: the scaled mean, fp32.
         */
        String keys() {
            return """
                    hkf = torch.mul(torch.to(%1$s, 6), %2$s)
                    hkm = torch.mean(hkf, [1], True)
                    hk = torch.type_as(torch.sub(hkf, hkm), hq)
                    hkt = torch.transpose(hk, 1, 2)
                    """.formatted(heads("y1"), scale());
        }

        double scale() {
            return 1 / Math.sqrt((double) width / heads);
        }

        /**
         * Runs {@code body} over heads h0 to h1 and rows t0 to t1 of {@code part}: several heads at a time if they are
         * small, else some rows of one, with all rows of {@code whole}. A slice may end behind the last.
         */
        static String tiles(String part, String whole, String body) {
            return """
                    hb = torch.size(%2$s, 0)
                    ht = torch.size(%2$s, 1)
                    hu = torch.size(%3$s, 1)
                    hn = ops.prim.max(1, torch.floordiv(%1$d, torch.mul(ht, hu)))
                    tn = ops.prim.max(1, ops.prim.min(ht, torch.floordiv(%1$d, torch.mul(hn, hu))))
                    for i in range(torch.floordiv(torch.sub(torch.add(hb, hn), 1), hn)):
                     h0 = torch.mul(i, hn)
                     h1 = torch.add(h0, hn)
                     for j in range(torch.floordiv(torch.sub(torch.add(ht, tn), 1), tn)):
                      t0 = torch.mul(j, tn)
                      t1 = torch.add(t0, tn)
                    """.formatted(TILE, part, whole) + body;
        }

        String heads(String y) {
            return "torch.contiguous(torch.flatten(torch.transpose(torch.reshape(%s, [torch.size(x, 0), -1, %d, %d]), 1, 2), 0, 1))"
                    .formatted(y, heads, width / heads);
        }

        String rows(String e) {
            return "torch.reshape(torch.transpose(torch.reshape(%s, [torch.size(x, 0), %d, -1, %d]), 1, 2), [-1, %d])"
                    .formatted(e, heads, width / heads, width);
        }
    }
}
