package training.lora.images;

import com.github.packageurl.MalformedPackageURLException;
import com.github.packageurl.PackageURL;
import com.github.packageurl.PackageURLBuilder;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Comparator;
import java.util.Date;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.cyclonedx.Version;
import org.cyclonedx.exception.GeneratorException;
import org.cyclonedx.exception.ParseException;
import org.cyclonedx.generators.BomGeneratorFactory;
import org.cyclonedx.model.Bom;
import org.cyclonedx.model.Component;
import org.cyclonedx.model.Hash;
import org.cyclonedx.model.License;
import org.cyclonedx.model.LicenseChoice;
import org.cyclonedx.model.Metadata;
import org.cyclonedx.parsers.JsonParser;

/** What an image is made of, in CycloneDX' form: each jar as Maven knows it, each package of Debian, each wheel of PyPI. */
final class Sbom {
    /** Where it lies in an image. */
    static final String FOLDER = "/usr/share/sbom";

    private final Map<String, Component> components = new LinkedHashMap<>();

    /**
     * Adds what a program is made of: each of {@code jars} must stand in its module's own SBOM. By its name and not by its
     * content, because Quarkus leaves out of some what its application doesn't use.
     */
    void addJars(Path moduleSbom, List<Jar> jars) throws IOException {
        if (!Files.exists(moduleSbom)) {
            throw new IOException(moduleSbom + " must be there: Maven makes it, but not with --offline");
        }
        Map<String, Component> known = new LinkedHashMap<>();
        try {
            for (Component component :
                    new JsonParser().parse(moduleSbom.toFile()).getComponents()) {
                String file = fileName(new PackageURL(component.getPurl()));
                known.put(file, component);
                known.put(component.getGroup() + "." + file, component);
            }
        } catch (ParseException | MalformedPackageURLException e) {
            throw new IOException(moduleSbom + " must be an SBOM of CycloneDX", e);
        }
        for (Jar jar : jars) {
            Component component = known.get(jar.name());
            if (component == null) {
                throw new IOException("%s must stand in %s".formatted(jar.file(), moduleSbom));
            }
            add(component);
        }
    }

    private static String fileName(PackageURL purl) {
        Map<String, String> qualifiers = purl.getQualifiers();
        String classifier = qualifiers == null ? null : qualifiers.get("classifier");
        return purl.getName() + "-" + purl.getVersion() + (classifier == null ? "" : "-" + classifier) + ".jar";
    }

    /** @param licence its name */
    void addWheel(Wheel wheel, String licence) throws IOException {
        Component component = new Component();
        component.setType(Component.Type.LIBRARY);
        component.setName(wheel.project());
        component.setVersion(wheel.version());
        component.addHash(new Hash(Hash.Algorithm.SHA_256, wheel.sha256()));
        License name = new License();
        name.setName(licence);
        LicenseChoice licences = new LicenseChoice();
        licences.addLicense(name);
        component.setLicenses(licences);
        try {
            PackageURL purl = new PackageURL("pypi", null, wheel.project(), wheel.version(), null, null);
            component.setPurl(purl);
            component.setBomRef(purl.toString());
        } catch (MalformedPackageURLException e) {
            throw new IOException(wheel.file() + " has no package URL", e);
        }
        add(component);
    }

    void addPackage(DebianPackage from, String distribution) throws IOException {
        Component component = new Component();
        component.setType(Component.Type.LIBRARY);
        component.setName(from.name());
        component.setVersion(from.version());
        try {
            PackageURL purl = PackageURLBuilder.aPackageURL()
                    .withType("deb")
                    .withNamespace("debian")
                    .withName(from.name())
                    .withVersion(from.version())
                    .withQualifier("arch", from.architecture())
                    .withQualifier("distro", distribution)
                    .withQualifier("upstream", from.source())
                    .build();
            component.setPurl(purl);
            component.setBomRef(purl.toString());
        } catch (MalformedPackageURLException e) {
            throw new IOException("%s %s has no package URL".formatted(from.name(), from.version()), e);
        }
        add(component);
    }

    private void add(Component component) {
        components.putIfAbsent(component.getBomRef(), component);
    }

    /** The document, the same for the same image. */
    String json(String name, String version, Instant time) throws IOException {
        List<Component> sorted = components.values().stream()
                .sorted(Comparator.comparing(Component::getBomRef))
                .toList();
        Component image = new Component();
        image.setType(Component.Type.CONTAINER);
        image.setName(name);
        image.setVersion(version);
        image.setBomRef(name + "@" + version);
        Metadata metadata = new Metadata();
        metadata.setComponent(image);
        metadata.setTimestamp(Date.from(time));
        Bom bom = new Bom();
        bom.setMetadata(metadata);
        bom.setComponents(sorted);
        String content =
                name + version + sorted.stream().map(Component::getBomRef).toList();
        bom.setSerialNumber("urn:uuid:" + UUID.nameUUIDFromBytes(content.getBytes(StandardCharsets.UTF_8)));
        try {
            return BomGeneratorFactory.createJson(Version.VERSION_16, bom).toJsonString() + "\n";
        } catch (GeneratorException e) {
            throw new IOException("the SBOM of " + name + " can't be written", e);
        }
    }
}
