package training.lora.images;

import java.io.IOException;
import java.io.InputStream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;

/** A file of a zip archive that must be in it. */
final class Entry {
    private Entry() {}

    /**
     * Its content.
     *
     * @param archive what the archive is called where it is not in it
     */
    static InputStream open(ZipFile zip, String name, Object archive) throws IOException {
        ZipEntry found = zip.getEntry(name);
        if (found == null) {
            throw new IOException(archive + " must hold " + name);
        }
        return zip.getInputStream(found);
    }
}
