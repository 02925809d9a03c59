package training.lora.api;

import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Kubernetes' quantities of memory, such as 8Gi, 8000M or 8e9, in bytes. */
public final class MemoryQuantity {
    private static final Pattern PARTS = Pattern.compile("^([0-9.]+)(?:([KMGTPE])i|([kMGTPE])|[eE]([0-9]+)|([mun]))?$");
    private static final String SCALES = "KMGTPE";

    private MemoryQuantity() {}

    /**
     * Whole bytes, rounded down.
     *
     * @throws IllegalArgumentException if {@code quantity} is none
     */
    public static long bytes(String quantity) {
        Matcher parts = PARTS.matcher(quantity);
        if (!quantity.matches(ResourcesSpec.QUANTITY) || !parts.matches()) {
            throw new IllegalArgumentException(quantity + " must be a quantity such as 8Gi");
        }
        BigDecimal number = new BigDecimal(parts.group(1));
        BigDecimal factor = BigDecimal.ONE;
        if (parts.group(2) != null) {
            factor = BigDecimal.valueOf(1024).pow(1 + SCALES.indexOf(parts.group(2)));
        } else if (parts.group(3) != null) {
            factor = BigDecimal.TEN.pow(3 + 3 * SCALES.indexOf(parts.group(3).toUpperCase(java.util.Locale.ROOT)));
        } else if (parts.group(4) != null) {
            factor = BigDecimal.TEN.pow(Math.min(18, Integer.parseInt(parts.group(4))));
        } else if (parts.group(5) != null) {
            factor = BigDecimal.ONE.movePointLeft(3 * (1 + "mun".indexOf(parts.group(5))));
        }
        return number.multiply(factor)
                .setScale(0, RoundingMode.DOWN)
                .min(BigDecimal.valueOf(Long.MAX_VALUE))
                .longValue();
    }
}
