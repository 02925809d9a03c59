package training.lora.trainer.prepare.picture;

import java.io.IOException;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.files.DataFiles;

/** What a file is by its first bytes, whatever its name says. */
public enum PictureFormat {
    PNG("PNG", true),
    JPEG("JPEG", true),
    WEBP("WebP", true),
    BMP("BMP", true),
    TIFF("TIFF", true),
    JPEG_2000("JPEG 2000", true),
    NETPBM("Netpbm", true),
    SUN_RASTER("Sun raster", true),
    GIF("GIF", true),
    ANIMATED_WEBP("animated WebP", true),
    GREY_ALPHA_TIFF("TIFF of grey with transparency", false),
    CMYK_TIFF("TIFF of inks (CMYK)", false),
    NUMBERS_TIFF("TIFF of floating-point or signed numbers", false),
    AVIF("AVIF", false),
    HEIF("HEIC", false),
    JPEG_XL("JPEG XL", false),
    CAMERA_RAW("camera raw", false),
    PHOTOSHOP("Photoshop", false),
    RADIANCE("Radiance HDR", false),
    OPENEXR("OpenEXR", false),
    FLOAT_MAP("PFM", false),
    ODD_NETPBM("Netpbm of another range than 255 or 65535", false),
    QOI("QOI", false);

    /** Of formats that can't be decoded in any way. */
    private static final Set<String> OTHER_EXTENSIONS = Set.of(("jxl psd psb svg hdr exr pfm pam qoi"
                    + " dng cr2 cr3 crw nef nrw arw srf sr2 raf rw2 orf pef srw 3fr iiq x3f erf mrw dcr kdc")
            .split(" "));

    private static final Set<String> AVIF_BRANDS = Set.of("avif", "avis");
    private static final Set<String> HEIF_BRANDS =
            Set.of("heic", "heix", "heim", "heis", "hevc", "hevx", "hevm", "hevs", "mif1", "msf1", "mif2", "mif3");

    private final String label;
    private final boolean readable;

    PictureFormat(String label, boolean readable) {
        this.label = label;
        this.readable = readable;
    }

    /** The formats that can be decoded, as people call them. */
    public static List<String> readableLabels() {
        return List.of(values()).stream()
                .filter(f -> f.readable() && f != ANIMATED_WEBP)
                .map(PictureFormat::label)
                .toList();
    }

    /** Whether a file of that extension, in lower case, should be a picture. */
    public static boolean isPicture(String extension) {
        return DataFiles.isPicture(extension)
                || DataFiles.needsLibheif(extension)
                || OTHER_EXTENSIONS.contains(extension);
    }

    /** What people call it. */
    public String label() {
        return label;
    }

    /** Whether it can be decoded. */
    public boolean readable() {
        return readable || (needsLibheif() && Heif.available());
    }

    /** Whether OpenCV decodes it as it is; GIF and an animated WebP need more than that, AVIF and HEIC another decoder. */
    public boolean isPlain() {
        return readable && this != GIF && this != ANIMATED_WEBP;
    }

    private boolean needsLibheif() {
        return this == AVIF || this == HEIF;
    }

    /**
     * Whether a file of that kind beside a picture of the same name and another kind is what that was made from: phones' pictures
     * are converted for other programs.
     */
    public boolean isSourceOfOthers() {
        return needsLibheif();
    }

    /** What people call a file that can't be decoded, and what helps. */
    public String unreadableLabel() {
        if (this == CMYK_TIFF) {
            return label + ", which must become one of RGB: `vips icc_transform FILE FILE.png srgb`";
        }
        return needsLibheif()
                ? label
                        + ", which needs libheif: `apt-get install libheif1` or `brew install libheif`, or convert it by `heif-convert FILE FILE.png`"
                : label;
    }

    /** The format of a picture, null if it is none. */
    public static @Nullable PictureFormat of(FileBytes bytes) throws IOException {
        if (bytes.hasAt(0, "\u0089PNG\r\n\u001a\n")) {
            return PNG;
        }
        if (bytes.hasAt(0, "\u00ff\u00d8\u00ff")) {
            return JPEG;
        }
        if (bytes.hasAt(0, "RIFF") && bytes.hasAt(8, "WEBP")) {
            boolean animated = bytes.hasAt(12, "VP8X") && (bytes.at(20) & 2) != 0;
            return animated ? ANIMATED_WEBP : WEBP;
        }
        if (bytes.hasAt(0, "BM") && bytes.number(14, 4, true) >= 12 && bytes.number(14, 4, true) <= 124) {
            return BMP;
        }
        if (bytes.hasAt(4, "ftyp")) {
            return ofBrands(bytes);
        }
        if (bytes.hasAt(0, "II") || bytes.hasAt(0, "MM")) {
            return ofTiff(bytes);
        }
        return bySignature(bytes);
    }

    private static @Nullable PictureFormat bySignature(FileBytes bytes) throws IOException {
        if (bytes.hasAt(0, "\0\0\0\fjP  \r\n\u0087\n") || bytes.hasAt(0, "\u00ff\u004f\u00ff\u0051")) {
            return JPEG_2000;
        }
        if (bytes.hasAt(0, "\0\0\0\fJXL \r\n\u0087\n") || bytes.hasAt(0, "\u00ff\n")) {
            return JPEG_XL;
        }
        if (bytes.hasAt(0, "GIF87a") || bytes.hasAt(0, "GIF89a")) {
            return GIF;
        }
        if (bytes.hasAt(0, "8BPS")) {
            return PHOTOSHOP;
        }
        if (bytes.hasAt(0, "Y\u00a6j\u0095")) {
            return SUN_RASTER;
        }
        if (bytes.hasAt(0, "#?RADIANCE") || bytes.hasAt(0, "#?RGBE")) {
            return RADIANCE;
        }
        if (bytes.hasAt(0, "v/1\u0001")) {
            return OPENEXR;
        }
        if (bytes.hasAt(0, "FUJIFILMCCD-RAW") || bytes.hasAt(0, "FOVb") || bytes.hasAt(0, "\0MRM")) {
            return CAMERA_RAW;
        }
        if (bytes.hasAt(0, "qoif")) {
            return QOI;
        }
        return ofNetpbm(bytes);
    }

    /** OpenCV takes the numbers of a binary picture as they are, so that those of another range would be darker. */
    private static @Nullable PictureFormat ofNetpbm(FileBytes bytes) throws IOException {
        int kind = bytes.at(1);
        String header = bytes.text(2, 512).replaceAll("#[^\\n]*", " ");
        if (bytes.at(0) != 'P' || !header.matches("(?s)\\s+[0-9A-Z].*")) {
            return null;
        }
        if (kind == 'F' || kind == 'f') {
            return FLOAT_MAP;
        }
        if (kind == '7') {
            return ODD_NETPBM;
        }
        if (kind < '1' || kind > '6') {
            return null;
        }
        String[] numbers = header.strip().split("\\s+", 4);
        boolean bitmap = kind == '1' || kind == '4';
        return bitmap || (numbers.length > 2 && List.of("255", "65535").contains(numbers[2])) ? NETPBM : ODD_NETPBM;
    }

    /** Of ISO media files: the first brand, or one that it says to be compatible with; a film is no picture. */
    private static @Nullable PictureFormat ofBrands(FileBytes bytes) throws IOException {
        long length = Math.min(bytes.number(0, 4, false), 256);
        for (long at = 8; at + 4 <= length; at += at == 8 ? 8 : 4) {
            String brand = bytes.text(at, 4);
            if (AVIF_BRANDS.contains(brand)) {
                return AVIF;
            }
            if (HEIF_BRANDS.contains(brand) && !laterIsAvif(bytes, at, length)) {
                return HEIF;
            }
            if (brand.equals("crx ")) {
                return CAMERA_RAW;
            }
            if (brand.equals("jp2 ") || brand.equals("jpx ")) {
                return JPEG_2000;
            }
        }
        return null;
    }

    /** mif1 is the container of both. */
    private static boolean laterIsAvif(FileBytes bytes, long from, long length) throws IOException {
        for (long at = from + 4; at + 4 <= length; at += 4) {
            if (AVIF_BRANDS.contains(bytes.text(at, 4))) {
                return true;
            }
        }
        return false;
    }

    /** A raw file is a TIFF whose first picture is a thumbnail, which must not be taken for the photograph. */
    private static @Nullable PictureFormat ofTiff(FileBytes bytes) throws IOException {
        boolean little = bytes.hasAt(0, "II");
        long magic = bytes.number(2, 2, little);
        boolean otherRaw = bytes.hasAt(0, "IIRO") || bytes.hasAt(0, "IIRS") || bytes.hasAt(0, "MMOR");
        if (otherRaw
                || bytes.hasAt(0, "IIU\0")
                || (bytes.hasAt(8, "CR") && magic == 42)
                || bytes.hasAt(6, "HEAPCCDR")) {
            return CAMERA_RAW;
        }
        if (magic != 42 && magic != 43) {
            return null;
        }
        TiffFields fields = TiffFields.read(bytes, 0);
        int photometric = fields.get(TiffFields.PHOTOMETRIC, -1);
        boolean thumbnail = (fields.get(TiffFields.SUBFILE_TYPE, 0) & 1) != 0;
        if (thumbnail || fields.has(TiffFields.DNG_VERSION) || photometric == 32803 || photometric == 34892) {
            return CAMERA_RAW;
        }
        if (fields.get(TiffFields.SAMPLE_FORMAT, 1) != 1 || fields.get(TiffFields.BITS_PER_SAMPLE, 1) > 16) {
            return NUMBERS_TIFF;
        }
        if (photometric == 5) {
            return CMYK_TIFF;
        }
        boolean grey = photometric == 0 || photometric == 1;
        return grey && fields.get(TiffFields.SAMPLES_PER_PIXEL, 1) > 1 ? GREY_ALPHA_TIFF : TIFF;
    }
}
