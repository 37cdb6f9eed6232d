// Votes count on weekdays only, by the time of Greenwich.

export const eligibility = {
  check(ballot) {
    const day = new Date(Number(ballot.time)).getUTCDay();
    if (day === 0 || day === 6) {
      throw {
        code: "weekend",
        reasons: [
          { language: "en", text: "You can vote from Monday to Friday." },
          { language: "es", text: "Puedes votar de lunes a viernes." },
        ],
      };
    }
  },
};
