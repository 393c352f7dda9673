console.log(process.env.SMTP_PASSWORD ? "ready" : "no password");
